'use strict';
// What the programs share: 300 requests to warm up, a snapshot, 300 more, another one; leaky forms make a third.
const http = require('node:http');
const v8 = require('node:v8');
const { setTimeout: sleep } = require('node:timers/promises');

function get(port, path) {
  return new Promise((resolve, reject) => {
    http.get({ host: '127.0.0.1', port, path, agent: false }, response => {
      response.resume();
      response.on('end', resolve);
    }).on('error', reject);
  });
}

// `request(i)` makes the i-th request and waits until it is done.
exports.measure = async function measure(request) {
  for (let round = 0; round < (process.argv[3] === 'leaky' ? 3 : 2); round++) {
    for (let i = 0; i < 300; i++) await request(round * 300 + i);
    // Sockets that close do so in later turns of the loop.
    await sleep(200);
    v8.writeHeapSnapshot(process.argv[2] + '-' + (round + 1) + '.heapsnapshot');
  }
  process.exit(0);
};
exports.get = get;
