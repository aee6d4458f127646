'use strict';
// Usage: node express.cjs PREFIX clean|leaky: a timer for each request that is never cleared, a dictionary of answers.
const express = require('express');
const { get, measure } = require('./load.cjs');
const leaky = process.argv[3] === 'leaky';
const app = express();
const answers = {};
app.use((request, response, next) => {
  if (leaky) setTimeout(function onExpire() { request.destroy(); }, 1e8);
  const timer = setTimeout(() => request.destroy(), 30000);
  response.on('finish', () => clearTimeout(timer));
  next();
});
app.get('/item', (request, response) => {
  const answer = { item: request.query.id, at: new Date() };
  if (leaky) answers[request.url] = answer;
  response.json(answer);
});
const server = app.listen(0, '127.0.0.1', () => measure(i => get(server.address().port, '/item?id=' + i)));
