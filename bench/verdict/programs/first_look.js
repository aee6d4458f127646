// Node programs that were held out until their verdicts were first looked at: the truth about their growth, and what one iteration does.
'use strict';
const { body, get, int, listen, plain, random } = require('./work.js');

const text = (low, high) => 'x'.repeat(int(low, high)) + random();
const rows = (most) => Array.from({ length: int(1, most) }, (_, id) => ({ id, name: text(1, 40), price: random() }));
const kept = [];

const hapi = (handler) => async () => {
  const server = require('@hapi/hapi').server();
  server.route({ method: 'GET', path: '/item/{id}', handler });
  return async (i) => { for (let j = 0; j < 5; j++) await server.inject(`/item/${i}-${j}`); };
};
const polka = (handler) => async () => {
  const app = require('polka')();
  app.get('/item/:id', handler);
  const server = await new Promise((done) => { app.listen(0, '127.0.0.1', () => done(app.server)); });
  return async (i) => { for (let j = 0; j < 3; j++) await get(server.address().port, `/item/${i}-${j}`); };
};
const connect = (handler) => async () => {
  const app = require('connect')();
  app.use(handler);
  const port = await listen(app);
  return async (i) => { for (let j = 0; j < 3; j++) await get(port, `/${i}/${j}`); };
};

module.exports = {
  hapi_steady: ['steady', hapi((request) => ({ id: request.params.id, rows: rows(12) }))],
  hapi_visits_leak: ['linear_leak', (() => {
    const visits = new Map();
    return hapi((request) => { visits.set(request.params.id, { at: random(), agent: body(280) }); return 'ok'; });
  })()],
  polka_steady: ['steady', polka((request, answer) => answer.end(JSON.stringify(rows(15))))],
  connect_steady: ['steady', connect((request, answer) => answer.end(request.url + text(1, 300)))],
  connect_timing_leak: ['linear_leak', connect((request, answer) => { kept.push({ url: request.url, marks: body(400) }); answer.end('ok'); })],
  router_leak: ['linear_leak', async () => {
    const router = require('find-my-way')();
    return async (i) => { for (let j = 0; j < 2; j++) router.on('GET', `/tenant${i}/${j}/:id`, () => i); router.find('GET', '/none'); };
  }],
  ejs_steady: ['steady', async () => {
    const page = require('ejs').compile('<% rows.forEach((r) => { %><li><%= r.name %></li><% }) %>');
    return async () => { for (let j = 0; j < 4; j++) page({ rows: rows(30) }); };
  }],
  nunjucks_steady: ['steady', async () => {
    const page = require('nunjucks').compile('{% for r in rows %}<li>{{ r.name }}</li>{% endfor %}');
    return async () => { for (let j = 0; j < 3; j++) page.render({ rows: rows(30) }); };
  }],
  mustache_cache_leak: ['linear_leak', async () => {
    const mustache = require('mustache');
    return async (i) => { for (let j = 0; j < 2; j++) mustache.render(`<p>Order ${i}.${j} of {{name}} at {{place}}</p>`, { name: 'a', place: 'b' }); };
  }],
  ajv_steady: ['steady', async () => {
    const Ajv = require('ajv');
    const check = new Ajv().compile({ type: 'array', items: { type: 'object', properties: { name: { type: 'string' } } } });
    return async () => { for (let j = 0; j < 10; j++) check(rows(30)); };
  }],
  ajv_schema_leak: ['linear_leak', async () => {
    const Ajv = require('ajv');
    const ajv = new Ajv();
    return async (i) => { ajv.compile({ $id: `schema${i}`, type: 'object', properties: { [`field${i}`]: { type: 'string', maxLength: i + 1 } } }); };
  }],
  rxjs_subject_leak: ['linear_leak', async () => {
    const { Subject } = require('rxjs');
    const changes = new Subject();
    return async () => { for (let j = 0; j < 3; j++) { const data = body(320); changes.subscribe(() => data.length); } };
  }],
  rxjs_steady: ['steady', async () => {
    const { from, map, filter, toArray } = require('rxjs');
    return async () => new Promise((done) => { from(rows(200)).pipe(filter((r) => r.price > 0.3), map((r) => r.name), toArray()).subscribe(done); });
  }],
  immutable_steady: ['steady', async () => {
    const { Map } = require('immutable');
    let now = Map();
    for (let k = 0; k < 200; k++) now = now.set(k, text(20, 21));
    return async () => { for (let j = 0; j < 50; j++) now = now.set(int(0, 200), text(20, 21)); };
  }],
  immutable_history_leak: ['linear_leak', async () => {
    const { Map } = require('immutable');
    let now = Map();
    return async (i) => { now = now.set(i % 50, body(600)); kept.push(now); };
  }],
  quick_lru_plateau: ['warm_up_plateau', async () => {
    const QuickLRU = require('quick-lru');
    const cache = new QuickLRU({ maxSize: 300 });
    return async () => { for (let j = 0; j < 15; j++) cache.set(int(0, 1e9), body(1200)); };
  }],
  tiny_lru_plateau: ['warm_up_plateau', async () => {
    const lru = require('tiny-lru');
    const cache = lru(450);
    return async () => { for (let j = 0; j < 9; j++) cache.set(`k${int(0, 1e9)}`, body(1100)); };
  }],
  dataloader_leak: ['linear_leak', async () => {
    const DataLoader = require('dataloader');
    const users = new DataLoader(async (keys) => keys.map((key) => ({ key, body: body(240) })));
    return async (i) => { await Promise.all([users.load(`${i}a`), users.load(`${i}b`), users.load(`${i}c`)]); };
  }],
  dataloader_request_steady: ['steady', async () => {
    const DataLoader = require('dataloader');
    return async (i) => {
      const users = new DataLoader(async (keys) => keys.map((key) => ({ key, body: body(800) })));
      await Promise.all([users.load(`${i}a`), users.load(`${i}b`)]);
    };
  }],
  cheerio_steady: ['steady', async () => {
    const cheerio = require('cheerio');
    return async () => { cheerio.load(`<ul>${'<li>a</li>'.repeat(int(1, 60))}</ul>`)('li').length; };
  }],
  mobx_reaction_leak: ['linear_leak', async () => {
    const { observable, autorun } = require('mobx');
    const store = observable({ total: 0 });
    return async () => { const data = body(500); autorun(() => data.length + store.total); };
  }],
  redux_steady: ['steady', async () => {
    const { legacy_createStore: createStore } = require('redux');
    const store = createStore((s = { n: 0, last: [] }, a) => ({ n: s.n + 1, last: a.rows || [] }));
    return async () => { for (let j = 0; j < 10; j++) store.dispatch({ type: 'x', rows: body(800) }); };
  }],
  joi_steady: ['steady', async () => {
    const Joi = require('joi');
    const schema = Joi.array().items(Joi.object({ id: Joi.number(), name: Joi.string(), price: Joi.number() }));
    return async () => { schema.validate(rows(20)); };
  }],
  yaml_steady: ['steady', async () => {
    const yaml = require('yaml');
    return async () => { yaml.parse(yaml.stringify(rows(12))); };
  }],
  lokijs_rows_stepwise: ['stepwise_growth', async () => {
    const Loki = require('lokijs');
    const table = new Loki('x').addCollection('rows');
    return async (i) => { rows(20); if (i % 22 === 21) for (let j = 0; j < 90; j++) table.insert({ i, j, body: body(1600) }); };
  }],
  markdown_it_steady: ['steady', async () => {
    const md = require('markdown-it')();
    return async () => { for (let j = 0; j < 4; j++) md.render('# T\n\n' + '* some **bold** `code`\n'.repeat(int(1, 25))); };
  }],
  graphql_steady: ['steady', async () => {
    const { buildSchema, graphql } = require('graphql');
    const schema = buildSchema('type Query { rows(n: Int): [String] }');
    return async () => { await graphql({ schema, source: '{ rows(n: 3) }', rootValue: { rows: () => [text(1, 90), text(1, 90)] } }); };
  }],
  fastq_steady: ['steady', async () => {
    const queue = require('fastq').promise(async (job) => job.rows.length, 2);
    return async () => { await Promise.all(Array.from({ length: 12 }, () => queue.push({ rows: body(400) }))); };
  }],
  keyv_keys_plateau: ['warm_up_plateau', async () => {
    const Keyv = require('keyv');
    const store = new Keyv();
    return async () => { for (let j = 0; j < 9; j++) { const key = `c${int(0, 130)}`; if (!(await store.get(key))) await store.set(key, text(6000, 9000)); } };
  }],
  async_queue_fluctuating: ['fluctuating', async () => {
    return async (i) => { const n = Math.floor(700 + 520 * Math.sin(i / 10)); while (kept.length < n) kept.push(body(1800)); kept.length = n; };
  }],
  bluebird_steady: ['steady', async () => {
    const Bluebird = require('bluebird');
    return async () => { await Bluebird.map(rows(60), async (r) => r.name + r.price, { concurrency: 5 }); };
  }],
  report_buffer_spikes: ['spikes', plain(() => { rows(50); kept.length = 0; if (random() < 0.05) kept.push(body(3000000)); })],
  minimatch_steady: ['steady', async () => {
    const { minimatch } = require('minimatch');
    return async () => { for (let j = 0; j < 20; j++) minimatch(`src/${text(1, 20)}/a.js`, 'src/**/*.js'); };
  }],
  weakmap_steady: ['steady', async () => {
    const meta = new WeakMap();
    return async () => { for (let j = 0; j < 80; j++) meta.set({ j }, body(int(8, 900))); };
  }],
  eventemitter3_leak: ['linear_leak', async () => {
    const Emitter = require('eventemitter3');
    const bus = new Emitter();
    return async () => { for (let j = 0; j < 4; j++) { const data = body(200); bus.on('tick', () => data.length); } };
  }],
};
