'use strict';
// Four workers share a port; each remembers every session that it ever saw.
const cluster = require('node:cluster');
const v8 = require('node:v8');

if (cluster.isPrimary) {
  let ready = 0;
  cluster.on('listening', (_, address) => {
    ready += 1;
    if (ready === 4) console.log('listening on ' + address.port);
  });
  cluster.on('message', (_, file) => console.log('wrote ' + file));
  process.on('SIGUSR2', () => Object.values(cluster.workers).forEach(worker => worker.send('snapshot')));
  process.on('SIGTERM', () => {
    Object.values(cluster.workers).forEach(worker => worker.process.kill('SIGTERM'));
    process.exit(0);
  });
  for (let i = 0; i < 4; i++) cluster.fork();
} else {
  serve();
}

function serve() {
  const sessions = new Map();
  const app = require('express')();
  app.get('/session', (request, reply) => {
    sessions.set(request.query.id, { id: request.query.id, visited: new Array(100).fill(request.url) });
    reply.send({ sessions: sessions.size });
  });
  app.listen(0, '127.0.0.1');
  process.on('message', () => process.send(v8.writeHeapSnapshot()));
  process.on('disconnect', () => process.exit(0));
}
