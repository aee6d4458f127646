'use strict';
// Usage: node timeline.cjs FILE: records allocations with their stacks and writes a .heaptimeline.
const fs = require('node:fs');
const { Session } = require('node:inspector');
class Order { constructor(id) { this.id = id; this.text = 'order ' + id; } }
const kept = [];
function readOrder(id) { return new Order(id); }
function handle(id) { kept.push(readOrder(id)); }
const session = new Session();
session.connect();
session.on('HeapProfiler.addHeapSnapshotChunk', message => fs.appendFileSync(process.argv[2], message.params.chunk));
session.post('HeapProfiler.startTrackingHeapObjects', { trackAllocations: true });
for (let id = 0; id < 700; id++) handle(id);
session.post('HeapProfiler.stopTrackingHeapObjects');
