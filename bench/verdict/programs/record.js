// Record one trace of one small Node program whose growth is known by construction.
//
//     node --expose-gc record.js PROGRAM SEED ITERATIONS > trace.csv        node record.js --list
//
// Columns as in record.py: heapUsed after two forced collections, heapUsed before them, rss. The rows go into a
// Float64Array made before the first iteration. NODE_PATH points at the third-party packages.
'use strict';
const http = require('http');
const { EventEmitter } = require('events');

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

const map = new Map();
const list = [];
const emitter = new EventEmitter();
emitter.setMaxListeners(0);
const express = (routes) => async () => {
  const app = require('express')();
  routes(app);
  const port = await listen(app);
  return async (i) => { for (let j = 0; j < 4; j++) await get(port, `/r/${i}-${j}?q=${'y'.repeat(int(1, 100))}`); };
};
const fastify = (routes) => async () => {
  const app = require('fastify')();
  routes(app);
  await app.ready();
  return async (i) => { for (let j = 0; j < 6; j++) await app.inject({ url: `/r/${i}-${j}`, query: { q: 'y'.repeat(int(1, 100)) } }); };
};
const koa = (handler) => async () => {
  const Koa = require('koa');
  const app = new Koa();
  app.use(handler);
  const port = await listen(app);
  return async (i) => { for (let j = 0; j < 4; j++) await get(port, `/${i}-${j}`); };
};

const programs = {
  map_leak: ['tune', 'linear_leak', plain((i) => { churn(); for (let j = 0; j < 3; j++) map.set(`${i}-${j}`, body(800)); })],
  string_steady: ['tune', 'steady', plain(() => { churn(int(50, 300)); })],
  listener_leak: ['held_out', 'linear_leak', plain(() => { churn(); for (let j = 0; j < 2; j++) { const data = body(900); emitter.on('x', () => data.length); } })],
  step_leak: ['held_out', 'stepwise_growth', plain((i) => { churn(); if (i % 26 === 25) list.push(body(160000)); })],
  spikes: ['held_out', 'spikes', plain(() => { churn(); list.length = 0; if (random() < 0.06) list.push(body(2500000)); })],
  wave_load: ['tune', 'fluctuating', plain((i) => { const n = Math.floor(500 + 380 * Math.sin(i / 13)); while (list.length < n) list.push(body(2000)); list.length = n; })],
  express_steady: ['tune', 'steady', express((app) => app.get('/r/:id', (q, a) => a.json({ id: q.params.id, rows: body(800) })))],
  express_session_leak: ['held_out', 'linear_leak', express((app) => app.get('/r/:id', (q, a) => { map.set(q.params.id, { id: q.params.id, basket: body(400) }); a.json({ ok: 1 }); }))],
  express_closure_leak: ['tune', 'linear_leak', express((app) => app.get('/r/:id', (q, a) => { const data = body(600); list.push(() => data); a.json({ ok: 1 }); }))],
  fastify_steady: ['tune', 'steady', fastify((app) => app.get('/r/:id', async (q) => ({ id: q.params.id, rows: body(400) })))],
  fastify_leak: ['held_out', 'linear_leak', fastify((app) => { app.decorate('seen', []); app.get('/r/:id', async (q) => { app.seen.push({ id: q.params.id, body: body(240) }); return { n: app.seen.length }; }); })],
  koa_steady: ['tune', 'steady', koa(async (ctx) => { ctx.body = { path: ctx.path, rows: body(600) }; })],
  koa_history_leak: ['held_out', 'linear_leak', koa(async (ctx) => { list.push({ path: ctx.path, at: body(480) }); ctx.body = 'ok'; })],
  lru_plateau: ['held_out', 'warm_up_plateau', async () => {
    const { LRUCache } = require('lru-cache');
    const cache = new LRUCache({ max: 400 });
    return async () => { for (let j = 0; j < 10; j++) cache.set(int(0, 1e9), body(1600)); };
  }],
  node_cache_plateau: ['tune', 'warm_up_plateau', async () => {
    const NodeCache = require('node-cache');
    const cache = new NodeCache({ checkperiod: 0, useClones: false });
    return async () => { for (let j = 0; j < 12; j++) { const key = int(0, 300); if (!cache.has(key)) cache.set(key, body(2400)); } };
  }],
  memoize_leak: ['held_out', 'linear_leak', async () => {
    const square = require('lodash').memoize((key) => body(key ? 700 : 0));
    return async (i) => { churn(30); for (let j = 0; j < 3; j++) square(`${i}.${j}`); };
  }],
  handlebars_steady: ['held_out', 'steady', async () => {
    const template = require('handlebars').compile('{{#each rows}}<li>{{this.a}} {{this.b}}</li>{{/each}}');
    return async () => { template({ rows: Array.from({ length: int(5, 80) }, (_, b) => ({ a: 'x'.repeat(int(1, 50)), b })) }); };
  }],
  marked_steady: ['held_out', 'steady', async () => {
    const { marked } = require('marked');
    return async () => { marked.parse('# T\n\n' + '* some **bold** `code`\n'.repeat(int(2, 40))); };
  }],
  pug_cache_leak: ['tune', 'linear_leak', async () => {
    const pug = require('pug');
    return async (i) => { pug.render(`p Hello number ${i}\n`, { cache: true, filename: `page${i}` }); };
  }],
};

async function main() {
  const [name, seed, count] = process.argv.slice(2);
  if (name === '--list') {
    for (const [key, [split, truth]] of Object.entries(programs)) console.log(key, split, truth);
    return;
  }
  const [split, truth, setup] = programs[name];
  state = Number(seed);
  const iterations = Number(count);
  const rows = new Float64Array(iterations * 4);
  const run = await setup();
  const begun = performance.now();
  for (let i = 0; i < iterations; i++) {
    await run(i);
    await new Promise((done) => setImmediate(done));
    rows[i * 4 + 1] = process.memoryUsage().heapUsed;
    globalThis.gc();
    globalThis.gc();
    const after = process.memoryUsage();
    rows[i * 4] = after.heapUsed;
    rows[i * 4 + 2] = after.rss;
    rows[i * 4 + 3] = (performance.now() - begun) / 1000;
  }
  const out = [`# program=node/${name} split=${split} truth=${truth} seed=${seed}`, 'iteration,seconds,heap_after_gc,heap,rss'];
  for (let i = 0; i < iterations; i++) out.push(`${i},${rows[i * 4 + 3].toFixed(3)},${rows[i * 4]},${rows[i * 4 + 1]},${rows[i * 4 + 2]}`);
  process.stdout.write(out.join('\n') + '\n', () => process.exit(0));
}
main();
