'use strict';
// A leaky service in miniature: every shape that the heap engine names. Usage: node workload.cjs PREFIX [SCALE]
const v8 = require('node:v8');
const { EventEmitter } = require('node:events');
const scale = Number(process.argv[3] || 1);
class Session { constructor(i) { this.id = i; this.user = { name: 'user-' + i, ip: '10.0.0.' + (i % 255), ua: 'Mozilla/' + (i % 7) }; this.seen = new Date(i); } }
class Node2 { constructor(v, next) { this.value = v; this.next = next; } }
const state = { sessions: new Map(), set: new Set(), weak: new WeakMap(), list: null, bus: new EventEmitter(), timers: [], promises: [], buffers: [], rows: [], dict: {}, gens: [], big: [], strings: [], regexps: [], syms: [] };
globalThis.state = state;
state.bus.setMaxListeners(0);
function listen(i) { const payload = { i, text: 'payload ' + i }; state.bus.on('update', function onEvent() { return payload.i; }); }
function schedule(i) { const body = Buffer.alloc(64, i); state.timers.push(setTimeout(function onTimeout() { return body; }, 1e8)); }
function wait(i) { const source = new Promise(() => {}); source.then(function onDone() { return i; }); state.promises.push(source); }
function* counter(i) { let held = 'gen' + i; while (true) yield held; }
async function pending(i) { const kept = { i }; await new Promise(() => {}); return kept; }
function grow(from, to) {
  for (let i = from; i < to; i++) {
    const s = new Session(i);
    state.sessions.set('session-' + i, s);
    state.set.add({ tag: i, kind: 'k' });
    state.weak.set(s, { meta: i, owner: 'w' });
    state.list = new Node2({ a: i, b: i + 0.5, c: 'x' + i }, state.list);
    listen(i); schedule(i); wait(i);
    if (i % 4 === 0) { state.buffers.push(Buffer.alloc(20000)); const g = counter(i); g.next(); state.gens.push(g); pending(i); state.syms.push(Symbol('s' + i)); }
    state.rows.push(JSON.parse('{"accept":"*/*","ua":"agent' + i + '","ip":"1.2.3.' + i + '","nested":{"x":' + i + ',"y":[1,2,3.5,"z' + i + '"]}}'));
    state.dict['key ' + i] = { n: i };
    state.strings.push(JSON.parse('"duplicate text number ' + (i % 10) + '"'), 'a'.repeat(i % 2000) + i);
    if (i % 50 === 0) { state.big.push(new Array(5000).fill(i)); state.big.push(new Float64Array(1000)); state.regexps.push(new RegExp('x' + i, 'g')); state.strings.push(JSON.parse('"' + 'long '.repeat(400) + '"')); }
  }
}
// Planted for the redacted copy: as a value, a part of a longer text, a key of a dictionary, a name, a symbol, an expression.
const secret = kind => ['planted', 'secret', kind].join(' ');
state.secrets = {
  password: secret('value'), header: 'Bearer ' + secret('text').repeat(3), keys: { [secret('key')]: 1 }, symbol: Symbol(secret('symbol')),
  ['sk-' + ['planted', 'token'].join('-')]: 1, expression: new RegExp(secret('expression')), sliced: ('long beginning ' + secret('slice')).slice(5),
};
const prefix = process.argv[2];
grow(0, 1000 * scale);
v8.writeHeapSnapshot(prefix + '-1.heapsnapshot');
grow(1000 * scale, 1500 * scale);
for (let i = 0; i < 200; i++) state.sessions.delete('session-' + i);
v8.writeHeapSnapshot(prefix + '-2.heapsnapshot');
grow(1500 * scale, 2000 * scale);
v8.writeHeapSnapshot(prefix + '-3.heapsnapshot');
process.exit(0);
