// What the recorded Node programs share: their random numbers, some work that leaves nothing behind, HTTP over loopback.
'use strict';
const http = require('http');

let state = 1;
const random = () => { // mulberry32
  state = (state + 0x6d2b79f5) | 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
const int = (low, high) => low + Math.floor(random() * (high - low));
const body = (size) => Array.from({ length: size >> 3 }, () => random()); // size bytes of doubles on the heap
const churn = (n = 100) => {
  const rows = [];
  for (let i = 0; i < n; i++) rows.push({ id: i, text: 'x'.repeat(int(5, 200)), tags: [i, i + 1] });
  return JSON.stringify(rows).length;
};
const get = (port, path) => new Promise((done, failed) => {
  http.get({ host: '127.0.0.1', port, path, agent: false }, (answer) => {
    answer.resume();
    answer.on('end', done);
  }).on('error', failed);
});
const listen = (app) => new Promise((done) => { const server = app.listen(0, '127.0.0.1', () => done(server.address().port)); });
const plain = (run) => async () => async (i) => run(i);
const seed = (value) => { state = value; };

module.exports = { body, churn, get, int, listen, plain, random, seed };
