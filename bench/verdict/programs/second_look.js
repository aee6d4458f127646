// Node programs that were held out until the code was frozen, then judged once: the truth about their growth, and what one iteration does.
'use strict';
const { body, get, int, listen, random } = require('./work.js');

const text = (low, high) => 'x'.repeat(int(low, high)) + random();
const rows = (most) => Array.from({ length: int(1, most) }, (_, id) => ({ id, name: text(1, 40), price: random() }));
const each = (count, act) => async (i) => { for (let j = 0; j < count; j++) await act(i, j); };
const kept = [];
const visits = new Map();

const hono = (handler, times) => async () => {
  const { Hono } = require('hono');
  const app = new Hono();
  app.get('/item/:id', handler);
  return each(times, async (i, j) => (await app.request(`/item/${i}-${j}`)).text());
};
const h3 = (handler, times) => async () => {
  const { H3 } = require('h3');
  const app = new H3();
  app.get('/item/:id', handler);
  return each(times, async (i, j) => (await app.request(`/item/${i}-${j}`)).text());
};
const micro = (handler) => async () => {
  const { serve } = require('micro');
  const port = await listen(require('http').createServer(serve(handler)));
  return each(3, (i, j) => get(port, `/${i}/${j}`));
};
const sockets = (onOrder) => async () => {
  const server = new (require('socket.io').Server)();
  const http = require('http').createServer();
  server.attach(http);
  const port = await listen(http);
  server.on('connection', (socket) => socket.on('order', (order, done) => { onOrder(order, socket); done(order.id); }));
  const client = require('socket.io-client').io(`http://127.0.0.1:${port}`, { transports: ['websocket'] });
  await new Promise((done) => client.on('connect', done));
  return each(6, (i, j) => new Promise((done) => client.emit('order', { id: `${i}-${j}`, note: text(1, 200) }, done)));
};
const script = () => Array.from({ length: int(1, 25) }, (_, n) => `function f${n}(a) { return a + ${int(0, 999)}; }`).join('\n');
const page = () => '<ul>' + Array.from({ length: int(1, 40) }, () => `<li class="x">${text(1, 30)}</li>`).join('') + '</ul>';
const styles = () => Array.from({ length: int(1, 25) }, (_, n) => `.c${n} { color: #${int(100, 999)}; margin: ${int(0, 9)}px }`).join('\n');
const bounded = (count, size, cache) => each(count, (i, j) => cache.set(`${i}-${j}`, body(size)));

module.exports = {
  // ---- servers ----
  hono_steady: ['steady', hono((c) => c.json({ id: c.req.param('id'), rows: rows(12) }), 6)],
  hono_visits_leak: ['linear_leak', hono((c) => { visits.set(c.req.param('id'), { at: random(), agent: body(240) }); return c.text('ok'); }, 3)],
  h3_steady: ['steady', h3(() => ({ rows: rows(12) }), 6)],
  h3_events_leak: ['linear_leak', h3((event) => { kept.push({ url: event.url.pathname, marks: body(300) }); return 'ok'; }, 2)],
  micro_steady: ['steady', micro((request) => request.url + text(1, 400))],
  socketio_steady: ['steady', sockets(() => {})],
  socketio_orders_leak: ['linear_leak', sockets((order, socket) => { (socket.data.orders ??= []).push(order); })],

  // ---- parsers, printers, checkers ----
  acorn_steady: ['steady', async () => { const acorn = require('acorn'); return each(3, () => acorn.parse(script(), { ecmaVersion: 2022 })); }],
  babel_parser_steady: ['steady', async () => { const babel = require('@babel/parser'); return each(2, () => babel.parse(script())); }],
  postcss_steady: ['steady', async () => { const postcss = require('postcss'); return each(3, () => postcss.parse(styles()).toString()); }],
  htmlparser2_steady: ['steady', async () => { const { parseDocument } = require('htmlparser2'); return each(4, () => parseDocument(page())); }],
  parse5_steady: ['steady', async () => { const parse5 = require('parse5'); return each(3, () => parse5.serialize(parse5.parse(page()))); }],
  fast_xml_steady: ['steady', async () => {
    const { XMLParser } = require('fast-xml-parser');
    const parser = new XMLParser();
    return each(4, () => parser.parse(page()));
  }],
  papaparse_steady: ['steady', async () => { const papa = require('papaparse'); return each(3, () => papa.parse(papa.unparse(rows(60)))); }],
  msgpackr_steady: ['steady', async () => {
    const { Packr } = require('msgpackr');
    const packr = new Packr({ useRecords: false });
    return each(4, () => packr.unpack(packr.pack(rows(60))));
  }],
  bson_steady: ['steady', async () => { const bson = require('bson'); return each(4, () => bson.deserialize(bson.serialize({ rows: rows(40) }))); }],
  protobuf_steady: ['steady', async () => {
    const Row = require('protobufjs').parse('syntax="proto3"; message Row { int32 id = 1; string name = 2; double price = 3; }').root.lookupType('Row');
    return each(3, () => { for (const row of rows(40)) Row.decode(Row.encode(row).finish()); });
  }],
  zod_steady: ['steady', async () => {
    const { z } = require('zod');
    const shape = z.array(z.object({ id: z.number(), name: z.string(), price: z.number() }));
    return each(5, () => shape.parse(rows(40)));
  }],
  yup_steady: ['steady', async () => {
    const yup = require('yup');
    const shape = yup.object({ id: yup.number(), name: yup.string() });
    return each(1, () => { for (const row of rows(12)) shape.validateSync(row); });
  }],
  ramda_steady: ['steady', async () => { const r = require('ramda'); return each(2, () => r.pipe(r.sortBy(r.prop('price')), r.groupBy((row) => `${row.id % 7}`))(rows(120))); }],
  decimal_steady: ['steady', async () => { const Decimal = require('decimal.js'); return each(30, () => new Decimal(random()).sqrt().toFixed(20)); }],
  liquid_steady: ['steady', async () => {
    const { Liquid } = require('liquidjs');
    const engine = new Liquid();
    const template = engine.parse('{% for r in rows %}<li>{{ r.name }}</li>{% endfor %}');
    return each(2, () => engine.render(template, { rows: rows(30) }));
  }],
  preact_steady: ['steady', async () => {
    const { h } = require('preact');
    const { render } = require('preact-render-to-string');
    return each(3, () => render(h('ul', null, rows(30).map((row) => h('li', { key: row.id }, row.name)))));
  }],
  react_steady: ['steady', async () => {
    process.env.NODE_ENV = 'production';
    const { createElement } = require('react');
    const { renderToString } = require('react-dom/server');
    return each(2, () => renderToString(createElement('ul', null, rows(30).map((row) => createElement('li', { key: row.id }, row.name)))));
  }],
  mitt_steady: ['steady', async () => {
    const events = require('mitt').default ? require('mitt').default() : require('mitt')();
    return each(20, (i) => { const hear = () => i; events.on('order', hear); events.emit('order', text(1, 40)); events.off('order', hear); });
  }],
  opossum_steady: ['steady', async () => {
    const Breaker = require('opossum');
    const breaker = new Breaker(async (order) => { if (random() < 0.2) throw new Error('late'); return order; }, { timeout: false, volumeThreshold: 1e9, rollingCountTimeout: 300, rollingCountBuckets: 3 });
    return each(15, () => breaker.fire(text(1, 90)).catch(() => {}));
  }],

  // ---- containers that fill ----
  lru_map_plateau: ['warm_up_plateau', async () => { const { LRUMap } = require('lru_map'); return bounded(7, 1200, new LRUMap(250)); }],
  mnemonist_lru_plateau: ['warm_up_plateau', async () => { const LRU = require('mnemonist/lru-map'); return bounded(6, 1500, new LRU(200)); }],
  memoizee_plateau: ['warm_up_plateau', async () => { const price = require('memoizee')((key) => body(1600), { max: 220, primitive: true }); return each(6, (i, j) => price(`${i}-${j}`)); }],
  minisearch_window_plateau: ['warm_up_plateau', async () => {
    const MiniSearch = require('minisearch');
    const index = new MiniSearch({ fields: ['title'], storeFields: ['title'], autoVacuum: false });
    const known = [];
    return each(4, (i, j) => {
      const row = { id: `${i}-${j}`, title: `w${int(0, 60)} w${int(0, 60)}`, extra: body(1200) };
      known.push(row);
      index.add(row);
      if (known.length > 150) index.remove(known.shift());
    });
  }],
  bunyan_ring_plateau: ['warm_up_plateau', async () => {
    const bunyan = require('bunyan');
    const log = bunyan.createLogger({ name: 'shop', streams: [{ type: 'raw', stream: new bunyan.RingBuffer({ limit: 300 }) }] });
    return each(8, () => log.info({ body: body(900) }, 'order'));
  }],

  // ---- leaks ----
  log4js_recording_leak: ['linear_leak', async () => {
    const log4js = require('log4js');
    log4js.configure({ appenders: { all: { type: 'recording' } }, categories: { default: { appenders: ['all'], level: 'info' } } });
    const log = log4js.getLogger();
    return each(2, (i) => log.info('order %d %s', i, text(40, 120)));
  }],
  prom_labels_leak: ['linear_leak', async () => {
    const client = require('prom-client');
    const hits = new client.Counter({ name: 'hits', help: 'hits', labelNames: ['user'] });
    return each(3, (i, j) => hits.inc({ user: `user-${i}-${j}` }));
  }],
  xstate_children_leak: ['linear_leak', async () => {
    const { createActor, createMachine } = require('xstate');
    const machine = createMachine({ initial: 'new', states: { new: { on: { pay: 'paid' } }, paid: {} } });
    return each(1, () => { const actor = createActor(machine); kept.push(actor); actor.start(); actor.send({ type: 'pay' }); });
  }],
  zustand_subscribers_leak: ['linear_leak', async () => {
    const store = require('zustand/vanilla').createStore(() => ({ count: 0 }));
    return each(2, (i) => { const own = body(200); store.subscribe((state) => own[0] + state.count); store.setState({ count: i }); });
  }],
  nedb_insert_leak: ['linear_leak', async () => {
    const Store = require('@seald-io/nedb');
    const orders = new Store({ inMemoryOnly: true });
    return each(2, (i) => orders.insertAsync({ at: i, note: text(40, 120) }));
  }],
  graphlib_nodes_leak: ['linear_leak', async () => {
    const graph = new (require('graphlib').Graph)();
    return each(2, (i, j) => { graph.setNode(`${i}-${j}`, { note: text(10, 60) }); if (i > 0) graph.setEdge(`${i}-${j}`, `${i - 1}-0`); });
  }],
  lodash_memoize_leak: ['linear_leak', async () => {
    const price = require('lodash.memoize')((key) => ({ key, parts: body(160) }));
    return each(3, (i, j) => price(`${i}-${j}`));
  }],
  chess_history_leak: ['linear_leak', async () => {
    const { Chess } = require('chess.js');
    const game = new Chess();
    const turns = ['Nf3', 'Nf6', 'Ng1', 'Ng8'];
    return each(1, (i) => { for (const move of turns) game.move(move); });
  }],
  jsdom_nodes_leak: ['linear_leak', async () => {
    const { document } = new (require('jsdom').JSDOM)('<ul></ul>').window;
    const list = document.querySelector('ul');
    return each(1, (i) => { const item = document.createElement('li'); item.textContent = text(10, 60); list.append(item); });
  }],

  // ---- steps, peaks, load ----
  minisearch_batches_stepwise: ['stepwise_growth', async () => {
    const MiniSearch = require('minisearch');
    return async (i) => {
      rows(40);
      if (i % 15 !== 11) return;
      const index = new MiniSearch({ fields: ['name'] });
      index.addAll(Array.from({ length: 500 }, (_, id) => ({ id, name: `${text(1, 9)} w${int(0, 99)}` })));
      kept.push(index);
    };
  }],
  csv_export_spikes: ['spikes', async () => {
    const { stringify } = require('csv-stringify/sync');
    let report = null;
    return async (i) => {
      report = null;
      rows(60);
      if (i === 40 || random() < 0.05) report = Array.from({ length: 12000 }, (_, id) => [id, random(), stringify([[id, 'order']])].slice(0, id % 40 ? 2 : 3));
    };
  }],
  bintrees_load_fluctuating: ['fluctuating', async () => {
    const { RBTree } = require('bintrees');
    const tree = new RBTree((a, b) => a.at - b.at);
    const online = [];
    return async (i) => {
      const wanted = Math.floor(1500 + 1200 * Math.sin(i / 13) + int(0, 80));
      while (online.length < wanted) { const order = { at: random(), body: body(900) }; online.push(order); tree.insert(order); }
      while (online.length > wanted) tree.remove(online.pop());
    };
  }],
};
