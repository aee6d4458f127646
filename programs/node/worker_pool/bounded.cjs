'use strict';
// Two threads resize pictures for a server, and each keeps its last twenty. The main thread keeps nothing.
const { Worker, isMainThread, parentPort } = require('node:worker_threads');
const { once } = require('node:events');
const { createWriteStream } = require('node:fs');
const { pipeline } = require('node:stream/promises');

if (isMainThread) serve();
else resize();

function resize() {
  const thumbnails = new Map();
  parentPort.on('message', id => {
    thumbnails.set(id, { id, rows: new Array(100).fill(id + '-row') });
    if (thumbnails.size > 20) thumbnails.delete(thumbnails.keys().next().value);
    parentPort.postMessage({ id, kept: thumbnails.size });
  });
}

async function serve() {
  const threads = [new Worker(__filename), new Worker(__filename)];
  const app = require('express')();
  let next = 0;
  app.get('/thumbnail', async (request, reply) => {
    const thread = threads[next++ % threads.length];
    const answer = new Promise(resolve => {
      const onMessage = message => {
        if (message.id !== request.query.id) return;
        thread.off('message', onMessage);
        resolve(message);
      };
      thread.on('message', onMessage);
    });
    thread.postMessage(request.query.id);
    reply.send(await answer);
  });
  let round = 0;
  process.on('SIGUSR2', async () => {
    round += 1;
    for (const [index, thread] of threads.entries()) {
      const file = `thread-${index}-${round}.heapsnapshot`;
      await pipeline(await thread.getHeapSnapshot(), createWriteStream(file));
      console.log('wrote ' + file);
    }
  });
  process.on('SIGTERM', () => process.exit(0));
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  console.log('listening on ' + server.address().port);
}
