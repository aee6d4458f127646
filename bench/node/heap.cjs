'use strict';
// Holds about MEGABYTES of small objects. With a FILE writes a heap snapshot there and prints the seconds it took, CPU and
// wall; without one prints its process id and waits. Usage: node --max-old-space-size=8192 heap.cjs MEGABYTES [FILE]
const [megabytes, file] = process.argv.slice(2);
class Session {
  constructor(number) {
    this.number = number;
    this.name = 'session ' + number;
    this.route = { path: '/' + (number % 97), visited: [number, number + 0.5] };
  }
}
const sessions = new Map();
// About 300 bytes each, with its share of the map.
for (let i = 0; i < megabytes * 3500; i++) sessions.set('id ' + i, new Session(i));
if (file) {
  const cpu = process.cpuUsage();
  const start = process.hrtime.bigint();
  require('node:v8').writeHeapSnapshot(file);
  const used = process.cpuUsage(cpu);
  console.log(((used.user + used.system) / 1e6).toFixed(2), (Number(process.hrtime.bigint() - start) / 1e9).toFixed(2));
} else {
  console.log(process.pid);
  process.stdin.resume().on('end', () => process.exit(0));
}
