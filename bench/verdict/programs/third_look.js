// Node programs written after the second look, judged once by the code as it stands: the truth about their growth, and what one iteration does.
'use strict';
const { body, int, random } = require('./work.js');

const text = (low, high) => 'x'.repeat(int(low, high)) + random();
const rows = (most) => Array.from({ length: int(1, most) }, (_, id) => ({ id, name: text(1, 40), price: random() }));
const each = (count, act) => async (i) => { for (let j = 0; j < count; j++) await act(i, j); };
const steady = (make) => ['steady', async () => make()];
const leak = (make) => ['linear_leak', async () => make()];
const plateau = (make) => ['warm_up_plateau', async () => make()];
const styles = () => Array.from({ length: int(1, 25) }, (_, n) => `.c${n} { color: #${int(100, 999)}; margin: ${int(0, 9)}px }`).join('\n');
const script = () => Array.from({ length: int(1, 15) }, (_, n) => `function f${n}(a) { return a + ${int(0, 999)}; }`).join('\n');
const kept = [];

module.exports = {
  uglify_steady: steady(() => { const u = require('uglify-js'); return each(1, () => u.minify(script(), { compress: false })); }),
  csso_steady: steady(() => { const c = require('css-tree'); return each(2, () => c.generate(c.parse(styles()))); }),
  xml2js_steady: steady(() => { const { parseStringPromise } = require('xml2js'); return each(2, () => parseStringPromise(`<a>${'<b>x</b>'.repeat(int(1, 60))}</a>`)); }),
  csv_parse_steady: steady(() => { const { parse } = require('csv-parse/sync'); return each(2, () => parse(rows(40).map((r) => `${r.id},${r.name}`).join('\n'))); }),
  avsc_steady: steady(() => {
    const type = require('avsc').Type.forValue({ id: 1, name: 'a', price: 0.5 });
    return each(40, () => type.fromBuffer(type.toBuffer({ id: int(0, 99), name: text(1, 30), price: random() + 0.01 })));
  }),
  cbor_steady: steady(() => { const c = require('cbor-x'); return each(4, () => c.decode(c.encode(rows(50)))); }),
  superstruct_steady: steady(() => {
    const s = require('superstruct');
    const shape = s.array(s.object({ id: s.number(), name: s.string(), price: s.number() }));
    return each(3, () => s.is(rows(30), shape));
  }),
  moment_steady: steady(() => { const m = require('moment'); return each(30, () => m(int(0, 2e9) * 1000).add(3, 'days').format()); }),
  date_fns_steady: steady(() => { const d = require('date-fns'); return each(30, () => d.format(new Date(int(0, 2e9) * 1000), 'yyyy-MM-dd HH:mm')); }),
  bignumber_steady: steady(() => { const B = require('bignumber.js'); return each(30, () => new B(random()).sqrt().toFixed(18)); }),
  semver_steady: steady(() => { const s = require('semver'); return each(30, () => s.satisfies(`${int(0, 9)}.${int(0, 9)}.${int(0, 99)}`, '>=2.3.0 <7')); }),
  jsonata_steady: steady(() => { const rule = require('jsonata')('$sum(rows.price)'); return each(2, () => rule.evaluate({ rows: rows(30) })); }),
  jmespath_steady: steady(() => { const j = require('jmespath'); return each(8, () => j.search({ rows: rows(30) }, 'rows[?price > `0.5`].name')); }),
  expr_eval_steady: steady(() => { const { Parser } = require('expr-eval'); const p = new Parser(); return each(15, () => p.parse(`x * ${int(1, 99)} + 2`).evaluate({ x: random() })); }),
  intl_steady: steady(() => { const F = require('intl-messageformat').default; const m = new F('{n, plural, one {# order} other {# orders}}', 'en'); return each(20, () => m.format({ n: int(0, 9) })); }),
  vue_steady: steady(() => {
    const { createSSRApp, h } = require('vue');
    const { renderToString } = require('vue/server-renderer');
    return each(1, () => renderToString(createSSRApp({ render: () => h('ul', rows(30).map((r) => h('li', r.name))) })));
  }),
  cockatiel_steady: steady(() => { const c = require('cockatiel'); const p = c.retry(c.handleAll, { maxAttempts: 2, backoff: new c.ConstantBackoff(0) }); return each(5, () => p.execute(() => text(1, 50))); }),
  eventemitter2_steady: steady(() => { const { EventEmitter2 } = require('eventemitter2'); const e = new EventEmitter2(); return each(15, (i) => { const hear = () => i; e.on('order', hear); e.emit('order', text(1, 40)); e.off('order', hear); }); }),
  hashlru_plateau: plateau(() => { const cache = require('hashlru')(1); const ring = new Map(); return each(6, (i, j) => { cache.set(i, j); ring.set(`${i}-${j}`, body(1100)); if (ring.size > 180) ring.delete(ring.keys().next().value); }); }),
  fuse_window_plateau: plateau(() => {
    const Fuse = require('fuse.js').default || require('fuse.js');
    const index = new Fuse([], { keys: ['name'] });
    let size = 0;
    return each(4, () => { index.add({ name: text(1, 20), extra: body(1300) }); size++; if (size > 130) { index.removeAt(0); size--; } });
  }),
  signals_leak: leak(() => { const S = require('signals'); const s = new S(); return each(2, () => { const own = body(150); s.add(() => own[0]); }); }),
  eventemitter2_leak: leak(() => { const { EventEmitter2 } = require('eventemitter2'); const e = new EventEmitter2({ maxListeners: 0 }); return each(2, (i) => { const own = body(120); e.on('logout', () => own[0]); e.emit('login', i); }); }),
  lunr_builder_leak: leak(() => { const b = new (require('lunr').Builder)(); b.ref('id'); b.field('t'); return each(1, (i) => b.add({ id: i, t: `order w${int(0, 40)}` })); }),
  moment_history_leak: leak(() => { const m = require('moment'); return each(2, (i) => kept.push(m(i * 1000))); }),
  tinybase_rows_leak: leak(() => { const { createStore } = require('tinybase'); const s = createStore(); return each(1, (i) => s.setRow('orders', `${i}`, { note: text(10, 60), n: i })); }),
  jotai_atoms_leak: leak(() => { const { atom, createStore } = require('jotai/vanilla'); const s = createStore(); return each(2, (i) => { const a = atom(i); s.set(a, i + 1); s.sub(a, () => {}); kept.push(a); }); }),
};
