'use strict';
// An HTTP server that builds 300 objects and their JSON for each request, asks itself N times, eight at a time, and prints
// the CPU milliseconds of its process per request. Usage: node server.cjs REQUESTS
const http = require('node:http');
const requests = Number(process.argv[2]);
const recent = [];

const server = http.createServer((request, response) => {
  const rows = [];
  for (let i = 0; i < 300; i++) rows.push({ id: i, name: 'row ' + i, tags: [request.url, i], at: Date.now() });
  recent.push(rows);
  if (recent.length > 50) recent.shift();
  response.end(JSON.stringify(rows));
});

server.listen(0, '127.0.0.1', async () => {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });
  const get = () =>
    new Promise((resolve, reject) => {
      http.get({ port: server.address().port, agent }, response => response.resume().on('end', resolve)).on('error', reject);
    });
  const run = async count => {
    let left = count;
    await Promise.all(Array.from({ length: 8 }, async () => { while (left-- > 0) await get(); }));
  };
  // Compiled, and past the start of whatever records.
  const start = Date.now();
  while (Date.now() < start + 3000) await run(500);
  const before = process.cpuUsage();
  await run(requests);
  const { user, system } = process.cpuUsage(before);
  console.log(((user + system) / 1000 / requests).toFixed(5));
  process.exit(0);
});
