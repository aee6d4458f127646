'use strict';
// Usage: node fastify.cjs PREFIX clean|leaky: a map of requests from which none goes, a promise that nothing settles.
const fastify = require('fastify')();
const { get, measure } = require('./load.cjs');
const leaky = process.argv[3] === 'leaky';
const recent = new Map();
const waiting = new Set();
fastify.addHook('onRequest', async request => {
  recent.set(request.id, request);
  if (!leaky) return;
  const approval = new Promise(() => {});
  const wanted = { id: request.id };
  approval.then(function onApproved() { return wanted; });
  waiting.add(approval);
});
fastify.addHook('onResponse', async request => {
  if (!leaky) recent.delete(request.id);
});
fastify.get('/item', async request => ({ item: request.query.id }));
fastify.listen({ port: 0, host: '127.0.0.1' }).then(() => measure(i => get(fastify.server.address().port, '/item?id=' + i)));
