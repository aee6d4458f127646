'use strict';
// Usage: node service.cjs PREFIX: every shape of a leak that the heap commands name, 300 times before the first snapshot
// and 300 times before the second.
const v8 = require('node:v8');
const { EventEmitter } = require('node:events');
class Session {
  constructor(i) { this.id = i; this.user = { name: 'user-' + i, text: Buffer.from('twice told').toString() }; }
}
const state = {
  sessions: new Map(), seen: new Set(), bus: new EventEmitter(), abort: new AbortController(), rows: [], dict: {},
  waiting: [], modules: [],
};
globalThis.state = state;
state.bus.setMaxListeners(0);
require('node:events').setMaxListeners(0, state.abort.signal);
function listen(i) {
  const payload = { i };
  state.bus.on('update', function onEvent() { return payload; });
  state.abort.signal.addEventListener('abort', function onAbort() { return payload; });
}
function wait(i) {
  const pending = new Promise(() => {});
  pending.then(function onDone() { return i; });
  state.waiting.push(pending);
  setTimeout(function onTimeout() { return i; }, 1e8);
}
function close() {
  const ballast = new Array(20000).fill(1.5);
  return function useBallast() { return ballast.length; };
}
state.use = close();
function grow(from, to) {
  for (let i = from; i < to; i++) {
    state.sessions.set('session-' + i, new Session(i));
    state.seen.add({ i });
    state.rows.push({ i, text: 'row ' + i });
    state.dict['key ' + i] = { i };
    listen(i);
    wait(i);
    if (i % 10 === 0) {
      delete require.cache[require.resolve('./mod.cjs')];
      state.modules.push(require('./mod.cjs'));
    }
  }
}
grow(0, 300);
v8.writeHeapSnapshot(process.argv[2] + '-1.heapsnapshot');
grow(300, 600);
v8.writeHeapSnapshot(process.argv[2] + '-2.heapsnapshot');
process.exit(0);
