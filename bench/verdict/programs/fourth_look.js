// Node programs written after the third look, judged once by the code as it stands: the truth about their growth, and what one iteration does.
'use strict';
const { body, get, int, listen, random } = require('./work.js');

const text = (low, high) => 'x'.repeat(int(low, high)) + random();
const each = (count, act) => async (i) => { for (let j = 0; j < count; j++) await act(i, j); };
const kept = [];

// An Express application on loopback; `prepare` sees it before it listens and may give the path of a request.
const express = (times, prepare) => async () => {
  const app = require('express')();
  const path = prepare(app) || ((i, j) => `/order/${i}-${j}`);
  app.use((request, answer) => answer.json({ at: request.url, note: text(1, 300) }));
  const port = await listen(app);
  return each(times, (i, j) => get(port, path(i, j)));
};
// A Fastify application without a socket.
const fastify = (times, prepare) => async () => {
  const app = require('fastify')();
  prepare(app);
  app.get('/order/:id', async (request) => ({ id: request.params.id, note: text(1, 300) }));
  await app.ready();
  return each(times, (i, j) => app.inject(`/order/${i}-${j}`));
};
const koa = (times, handle) => async () => {
  const Koa = require('koa');
  const app = new Koa();
  app.use(handle);
  const port = await listen(app);
  return each(times, (i, j) => get(port, `/${i}/${j}`));
};

module.exports = {
  // ---- servers that let go -------------------------------------------------------------------------------------------
  express_headers_steady: ['steady', express(4, (app) => { app.use((request, answer, next) => { request.visit = { at: Date.now(), body: body(int(100, 5000)) }; next(); }); })],
  fastify_hooks_steady: ['steady', fastify(8, (app) => { app.addHook('onRequest', async (request) => { request.begun = body(200); }); })],
  koa_json_steady: ['steady', koa(4, (context) => { context.body = { path: context.path, rows: body(800) }; })],
  ws_echo_steady: ['steady', async () => {
    const { WebSocketServer, WebSocket } = require('ws');
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    server.on('connection', (socket) => socket.on('message', (data) => socket.send(data)));
    await new Promise((done) => server.on('listening', done));
    const client = new WebSocket(`ws://127.0.0.1:${server.address().port}`);
    await new Promise((done) => client.on('open', done));
    return each(10, () => new Promise((done) => { client.once('message', done); client.send(text(1, 2000)); }));
  }],
  xstate_machines_steady: ['steady', async () => {
    const { createMachine, createActor } = require('xstate');
    const machine = createMachine({ initial: 'new', states: { new: { on: { pay: 'paid' } }, paid: {} } });
    return each(10, () => { const actor = createActor(machine).start(); actor.send({ type: 'pay' }); actor.stop(); });
  }],
  pdf_pages_steady: ['steady', async () => {
    const { PDFDocument } = require('pdf-lib');
    return each(1, async () => { const pdf = await PDFDocument.create(); pdf.addPage([int(100, 500), 300]); await pdf.save(); });
  }],
  three_scene_steady: ['steady', async () => {
    const three = require('three');
    return each(4, () => { const scene = new three.Scene(); for (let k = 0; k < 20; k++) scene.add(new three.Object3D()); scene.updateMatrixWorld(); });
  }],

  // ---- what fills up -------------------------------------------------------------------------------------------------
  express_sessions_plateau: ['warm_up_plateau', express(5, (app) => {
    const recent = new Map();
    app.use((request, answer, next) => {
      recent.set(request.url, text(700, 900));
      if (recent.size > 150) recent.delete(recent.keys().next().value);
      next();
    });
  })],
  handlebars_pages_plateau: ['warm_up_plateau', async () => {
    const handlebars = require('handlebars');
    const pages = new Map();
    return each(3, () => {
      const page = int(0, 60);
      if (!pages.has(page)) pages.set(page, handlebars.compile(`<h1>{{title}} ${page}</h1>{{#each rows}}<i>{{this}}</i>{{/each}}`));
      pages.get(page)({ title: 'x', rows: [1, 2, 3] });
    });
  }],
  node_cache_pages_plateau: ['warm_up_plateau', async () => {
    const cache = new (require('node-cache'))({ useClones: false, checkperiod: 0 });
    return each(6, () => { const key = int(0, 130); if (!cache.has(key)) cache.set(key, body(1600)); });
  }],

  // ---- what leaks ----------------------------------------------------------------------------------------------------
  express_middleware_leak: ['linear_leak', express(2, (app) => { app.use((request, answer, next) => { app.use(`/never/${request.url}`, () => {}); next(); }); })],
  express_session_store_leak: ['linear_leak', express(2, (app) => {
    // Nobody sends a cookie back, and the store in memory has no end.
    app.use(require('express-session')({ secret: 'x', resave: false, saveUninitialized: true, store: new (require('express-session').MemoryStore)() }));
  })],
  fastify_metrics_leak: ['linear_leak', fastify(4, (app) => {
    const timings = {};
    app.addHook('onResponse', async (request) => { (timings[request.url] ??= []).push(random()); });
  })],
  koa_contexts_leak: ['linear_leak', koa(2, (context) => { context.app.on('shutdown', () => context.path); context.app.setMaxListeners(0); context.body = 'x'; })],
  ws_rooms_leak: ['linear_leak', async () => {
    const { WebSocketServer, WebSocket } = require('ws');
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    const rooms = new Map();
    server.on('connection', (socket, request) => { rooms.set(request.url, { socket, joined: Date.now() }); });
    await new Promise((done) => server.on('listening', done));
    return each(1, (i) => new Promise((done) => {
      const client = new WebSocket(`ws://127.0.0.1:${server.address().port}/${i}`);
      client.on('open', () => client.close());
      client.on('close', done);
    }));
  }],
  rxjs_replay_leak: ['linear_leak', async () => {
    const orders = new (require('rxjs').ReplaySubject)();
    return each(3, (i, j) => orders.next({ id: `${i}-${j}`, note: random() }));
  }],
  joi_schemas_leak: ['linear_leak', async () => {
    const joi = require('joi');
    const schemas = {};
    return each(1, (i) => { schemas[`tenant-${i}`] = joi.object({ name: joi.string().max(i + 1) }); });
  }],
  excel_sheets_stepwise: ['stepwise_growth', async () => {
    const excel = require('exceljs');
    const every = int(12, 18);
    return each(1, (i) => {
      const book = new excel.Workbook();
      book.addWorksheet('x').addRow([1, 2, 3]);
      if (i % every !== every - 1) return;
      const report = new excel.Workbook().addWorksheet('report');
      for (let row = 0; row < 500; row++) report.addRow([row, random(), random(), random()]);
      kept.push(report);
    });
  }],

  // ---- what goes up and comes down -----------------------------------------------------------------------------------
  svg_batch_spikes: ['spikes', async () => {
    const { optimize } = require('svgo');
    let page = null;
    return each(1, () => {
      page = null;
      optimize('<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0 L10 10"/></svg>');
      if (random() < 0.05) page = Array.from({ length: 400 }, () => body(8000));
    });
  }],
  queue_load_fluctuating: ['fluctuating', async () => {
    const { from, mergeMap, lastValueFrom } = require('rxjs');
    const open = [];
    const phase = random() * 6;
    return async (i) => {
      const wanted = Math.floor(130 + 95 * Math.sin(phase + i / 7) + 25 * Math.sin(phase + i / 2.3));
      while (open.length < wanted) open.push(body(int(30000, 60000)));
      open.length = wanted;
      await lastValueFrom(from([1, 2, 3]).pipe(mergeMap(async (n) => n + open.length, 2)));
    };
  }],

  // ---- left to the collector -----------------------------------------------------------------------------------------
  fastify_garbage_sawtooth: ['gc_sawtooth', fastify(6, (app) => { app.addHook('onRequest', async (request) => { request.rows = body(20000); }); })],
  cheerio_garbage_sawtooth: ['gc_sawtooth', async () => {
    const cheerio = require('cheerio');
    return each(8, () => cheerio.load('<ul>' + '<li class="x">text</li>'.repeat(int(20, 90)) + '</ul>')('li').length);
  }],

  // ---- growth outside of the heap ------------------------------------------------------------------------------------
  wasm_memory_fragmentation: ['fragmentation_or_native', async () => {
    const memory = new WebAssembly.Memory({ initial: 1, maximum: 60000 });
    return (i) => { const pages = int(4, 9); const from = memory.grow(pages) * 65536; new Uint8Array(memory.buffer, from, pages * 65536).fill(1); };
  }],

  // ---- too few -------------------------------------------------------------------------------------------------------
  express_short_insufficient: ['insufficient_data', express(4, (app) => { app.use((request, answer, next) => { kept.push(request.headers); next(); }); })],
};
