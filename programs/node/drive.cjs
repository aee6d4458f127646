'use strict';
// Usage: node drive.cjs PORT PATH REQUESTS [FIRST]: GETs PATH?id=N for each N from FIRST on, four at a time, and ends.
const http = require('node:http');
const [port, path, requests, first = 0] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });
let next = Number(first);
const end = next + Number(requests);

function get(id) {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port, path: `${path}?id=${id}`, agent, timeout: 10000 }, response => {
      response.resume();
      response.on('end', () => (response.statusCode === 200 ? resolve() : reject(new Error('status ' + response.statusCode))));
    });
    request.on('timeout', () => request.destroy(new Error('no answer within 10 s')));
    request.on('error', reject);
  });
}

async function client() {
  while (next < end) await get(next++);
}

Promise.all([client(), client(), client(), client()]).then(
  () => agent.destroy(),
  error => {
    console.error(String(error));
    process.exit(1);
  },
);
