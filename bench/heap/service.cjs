'use strict';
// A leaky session service that writes one snapshot: node service.cjs OUT SESSIONS
const v8 = require('node:v8');
const { EventEmitter } = require('node:events');
class Session {
  constructor(i) {
    this.id = i;
    this.user = { name: 'user-' + i, ip: '10.0.0.' + (i % 255), agent: 'Mozilla/' + (i % 7) };
    this.seen = new Date(i);
    this.next = null;
  }
}
const state = globalThis.state = { sessions: new Map(), tags: new Set(), weak: new WeakMap(), last: null, bus: new EventEmitter(), rows: [], timers: [], waiting: [], buffers: [] };
state.bus.setMaxListeners(0);
function open(i) {
  const session = new Session(i);
  session.next = state.last;
  state.last = i % 1000 ? session : null;
  state.sessions.set('session-' + i, session);
  state.tags.add({ tag: i });
  state.weak.set(session, { meta: i });
  state.bus.on('update', () => session.id);
  state.rows.push(JSON.parse(`{"accept":"*/*","agent":"agent ${i}","nested":{"x":${i},"y":[1,2,3.5,"z${i}"]}}`));
  if (i % 4 === 0) {
    state.timers.push(setTimeout(() => session, 1e8));
    state.waiting.push(new Promise(() => {}).then(() => session));
    state.buffers.push(Buffer.alloc(1000));
  }
}
for (let i = 0; i < Number(process.argv[3]); i++) open(i);
v8.writeHeapSnapshot(process.argv[2]);
process.exit(0);
