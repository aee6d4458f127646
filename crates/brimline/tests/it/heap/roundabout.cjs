'use strict';
// Usage: node roundabout.cjs PREFIX: leaks whose function or container V8 shows only at second sight, 200 times before the
// first snapshot and 200 times before the second.
const v8 = require('node:v8');
const { EventEmitter } = require('node:events');
const store = require('./store.cjs');
const bus = new EventEmitter();
bus.setMaxListeners(0);
globalThis.state = { bus, byNumber: {}, waiting: [], walked: new Map() };
class Poller {
  onUpdate() { return this; }
  onTick() { return this; }
}
async function lock() {
  await new Promise((resolve) => state.waiting.push(resolve));
}
function grow(from, to, local) {
  for (let i = from; i < to; i++) {
    const poller = new Poller();
    bus.once('ready', function onReady() { return poller; });
    bus.on('update', poller.onUpdate.bind(poller));
    setTimeout(poller.onTick.bind(poller), 1e8);
    lock();
    state.byNumber[5000000 + 3 * i] = { i };
    store.byName['name ' + i] = { i };
    local.set('local ' + i, { i });
    state.walked.set('walked ' + i, { i });
  }
}
function main(prefix) {
  const local = new Map();
  grow(0, 200, local);
  state.walk = state.walked.keys();
  v8.writeHeapSnapshot(prefix + '-1.heapsnapshot');
  grow(200, 400, local);
  state.walk = state.walked.keys();
  v8.writeHeapSnapshot(prefix + '-2.heapsnapshot');
  return local.size;
}
main(process.argv[2]);
process.exit(0);
