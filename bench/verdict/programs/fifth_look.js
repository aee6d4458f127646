// Node programs written after the fourth look, judged once by the code as it stands: short runs, most of them cold.
'use strict';
const { body, get, int, listen, random } = require('./work.js');

const text = (low, high) => 'x'.repeat(int(low, high)) + random();
const each = (count, act) => async (i) => { for (let j = 0; j < count; j++) await act(i, j); };
const served = (times, handle) => async () => {
  const app = require('express')();
  app.get('/:id', handle);
  const port = await listen(app);
  return each(times, (i, j) => get(port, `/${i}-${j}`));
};
const injected = (times, handle) => async () => {
  const app = require('fastify')();
  app.get('/:id', handle);
  await app.ready();
  return each(times, (i, j) => app.inject(`/${i}-${j}`));
};

const orders = new Map();
const failures = [];
const recent = [];
const tables = [];

module.exports = {
  express_tables_steady: ['steady', served(3, (request, answer) => answer.json({ id: request.params.id, rows: body(int(80, 4000)) }))],
  fastify_search_steady: ['steady', injected(6, async (request) => body(2000).filter((n) => n > 0.5).map((n) => `${request.params.id} ${n}`))],
  // Written as one that lets go; ten times the work showed 216 bytes more with every iteration to the end.
  undici_client_leak: ['linear_leak', async () => {
    const { request } = require('undici');
    const port = await listen(require('http').createServer((question, answer) => answer.end(text(1, 900))));
    return each(3, async (i, j) => (await request(`http://127.0.0.1:${port}/${i}-${j}`)).body.text());
  }],
  rxjs_streams_steady: ['steady', async () => {
    const { from, lastValueFrom, map, toArray } = require('rxjs');
    return each(4, () => lastValueFrom(from(body(400)).pipe(map((n) => n * 2), toArray())));
  }],
  joi_orders_steady: ['steady', async () => {
    const schema = require('joi').object({ name: require('joi').string().max(50), count: require('joi').number() });
    return each(20, () => schema.validate({ name: text(1, 80), count: random() }));
  }],
  cheerio_lists_steady: ['steady', async () => {
    const cheerio = require('cheerio');
    return each(3, () => cheerio.load('<ul>' + '<li>x</li>'.repeat(int(1, 50)) + '</ul>')('li').length);
  }],
  express_ring_plateau: ['warm_up_plateau', served(5, (request, answer) => {
    recent.push(body(2400));
    if (recent.length > 150) recent.shift();
    answer.end();
  })],
  fastify_orders_leak: ['linear_leak', injected(2, async (request) => { orders.set(request.params.id, { at: Date.now(), note: text(20, 60) }); return 'x'; })],
  express_errors_leak: ['linear_leak', served(1, (request, answer) => { failures.push(new Error(request.params.id)); answer.end(); })],
  undici_pools_leak: ['linear_leak', async () => {
    const { Pool } = require('undici');
    const pools = {};
    return each(1, (i) => { pools[i] = new Pool(`http://tenant-${i}.example`); });
  }],
  rxjs_subjects_leak: ['linear_leak', async () => {
    const { Subject } = require('rxjs');
    const closing = new Subject();
    return each(2, (i, j) => closing.subscribe(() => `${i}-${j}`));
  }],
  xstate_spawned_leak: ['linear_leak', async () => {
    const { createMachine, createActor } = require('xstate');
    const machine = createMachine({ initial: 'open', states: { open: {} } });
    const actors = [];
    return each(1, () => actors.push(createActor(machine).start()));
  }],
  emitter_waiters_leak: ['linear_leak', async () => {
    const emitter = new (require('eventemitter3'))();
    return each(3, (i, j) => { new Promise((done) => emitter.once(`reply-${i}-${j}`, done)); });
  }],
  three_levels_stepwise: ['stepwise_growth', async () => {
    const three = require('three');
    const every = int(9, 14);
    return each(1, (i) => {
      new three.Vector3(i, i, i).normalize();
      if (i % every === 0) tables.push(Array.from({ length: 600 }, () => new three.Object3D()));
    });
  }],
};
