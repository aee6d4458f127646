'use strict';
// Usage: node serve.cjs express|fastify MODULE: serves the routes of a module on a free loopback port and prints that port.
// On SIGUSR2 it writes a heap snapshot into the working folder and prints its name; SIGTERM ends it.
const path = require('node:path');
const v8 = require('node:v8');

const [framework, main] = process.argv.slice(2);
const routes = require(path.resolve(main));

async function listen() {
  if (framework === 'fastify') {
    const app = require('fastify')();
    routes(app);
    await app.listen({ port: 0, host: '127.0.0.1' });
    return app.server;
  }
  const app = require('express')();
  routes(app);
  const server = app.listen(0, '127.0.0.1');
  await require('node:events').once(server, 'listening');
  return server;
}

listen().then(server => console.log('listening on ' + server.address().port));
process.on('SIGUSR2', () => console.log('wrote ' + v8.writeHeapSnapshot()));
process.on('SIGTERM', () => process.exit(0));
