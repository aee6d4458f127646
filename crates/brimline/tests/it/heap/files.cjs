'use strict';
// Usage: node [OPTION] files.cjs HOW: keeps orders and leaves a file of them in the working folder, in one of the ways people have.
const fs = require('node:fs');
const { Session } = require('node:inspector');
const kept = (globalThis.kept = []);
class Order {
  constructor(id) {
    this.id = id;
    this.token = 'planted secret ' + id;
    this.lines = [id, id + 1, id + 2];
  }
}
function takeOrder(id) {
  kept.push(new Order(id));
}
globalThis.takeOrder = takeOrder;
const takeOrders = count => {
  for (let id = 0; id < count; id++) takeOrder(id);
};

const session = new Session();
const ways = {
  write: () => require('node:v8').writeHeapSnapshot('written.heapsnapshot'),
  heapdump: () => require('heapdump').writeSnapshot('dumped.heapsnapshot'),
  // The option or the package writes when the loop turns.
  signal: () => waitFor('.heapsnapshot'),
  heapdump_signal: () => {
    require('heapdump');
    waitFor('.heapsnapshot');
  },
  exit: () => {},
  limit: () => takeOrders(1e9),
  panel: () => {
    session.on('HeapProfiler.addHeapSnapshotChunk', message => fs.appendFileSync('panel.heapsnapshot', message.params.chunk));
    session.post('HeapProfiler.takeHeapSnapshot');
  },
  sampling: () => {
    session.post('HeapProfiler.startSampling', { samplingInterval: 16384 });
    takeOrders(20000);
    session.post('HeapProfiler.stopSampling', (_, { profile }) => fs.writeFileSync('panel.heapprofile', JSON.stringify(profile)));
  },
  timeline: () => {
    session.on('HeapProfiler.addHeapSnapshotChunk', message => fs.appendFileSync('panel.heaptimeline', message.params.chunk));
    session.post('HeapProfiler.startTrackingHeapObjects', { trackAllocations: true });
    takeOrders(1000);
    session.post('HeapProfiler.stopTrackingHeapObjects');
  },
};

function waitFor(ending) {
  process.kill(process.pid, 'SIGUSR2');
  const isWhole = file => file.endsWith(ending) && fs.readFileSync(file, 'utf8').trimEnd().endsWith(']}');
  const timer = setInterval(() => fs.readdirSync('.').some(isWhole) && clearInterval(timer), 100);
}

session.connect();
takeOrders(5000);
ways[process.argv[2]]();
