// Node programs for tuning: the truth about their growth, and what one iteration does.
'use strict';
const { EventEmitter } = require('events');
const { body, churn, get, int, listen, plain, random } = require('./work.js');

const map = new Map();
const list = [];
const emitter = new EventEmitter();
emitter.setMaxListeners(0);
const express = (routes) => async () => {
  const app = require('express')();
  routes(app);
  const port = await listen(app);
  return async (i) => { for (let j = 0; j < 4; j++) await get(port, `/r/${i}-${j}?q=${'y'.repeat(int(1, 100))}`); };
};
const fastify = (routes) => async () => {
  const app = require('fastify')();
  routes(app);
  await app.ready();
  return async (i) => { for (let j = 0; j < 6; j++) await app.inject({ url: `/r/${i}-${j}`, query: { q: 'y'.repeat(int(1, 100)) } }); };
};
const koa = (handler) => async () => {
  const Koa = require('koa');
  const app = new Koa();
  app.use(handler);
  const port = await listen(app);
  return async (i) => { for (let j = 0; j < 4; j++) await get(port, `/${i}-${j}`); };
};

module.exports = {
  map_leak: ['linear_leak', plain((i) => { churn(); for (let j = 0; j < 3; j++) map.set(`${i}-${j}`, body(800)); })],
  string_steady: ['steady', plain(() => { churn(int(50, 300)); })],
  listener_leak: ['linear_leak', plain(() => { churn(); for (let j = 0; j < 2; j++) { const data = body(900); emitter.on('x', () => data.length); } })],
  step_leak: ['stepwise_growth', plain((i) => { churn(); if (i % 26 === 25) list.push(body(160000)); })],
  spikes: ['spikes', plain(() => { churn(); list.length = 0; if (random() < 0.06) list.push(body(2500000)); })],
  wave_load: ['fluctuating', plain((i) => { const n = Math.floor(500 + 380 * Math.sin(i / 13)); while (list.length < n) list.push(body(2000)); list.length = n; })],
  express_steady: ['steady', express((app) => app.get('/r/:id', (q, a) => a.json({ id: q.params.id, rows: body(800) })))],
  express_session_leak: ['linear_leak', express((app) => app.get('/r/:id', (q, a) => { map.set(q.params.id, { id: q.params.id, basket: body(400) }); a.json({ ok: 1 }); }))],
  express_closure_leak: ['linear_leak', express((app) => app.get('/r/:id', (q, a) => { const data = body(600); list.push(() => data); a.json({ ok: 1 }); }))],
  fastify_steady: ['steady', fastify((app) => app.get('/r/:id', async (q) => ({ id: q.params.id, rows: body(400) })))],
  fastify_leak: ['linear_leak', fastify((app) => { app.decorate('seen', []); app.get('/r/:id', async (q) => { app.seen.push({ id: q.params.id, body: body(240) }); return { n: app.seen.length }; }); })],
  koa_steady: ['steady', koa(async (ctx) => { ctx.body = { path: ctx.path, rows: body(600) }; })],
  koa_history_leak: ['linear_leak', koa(async (ctx) => { list.push({ path: ctx.path, at: body(480) }); ctx.body = 'ok'; })],
  lru_plateau: ['warm_up_plateau', async () => {
    const { LRUCache } = require('lru-cache');
    const cache = new LRUCache({ max: 400 });
    return async () => { for (let j = 0; j < 10; j++) cache.set(int(0, 1e9), body(1600)); };
  }],
  node_cache_plateau: ['warm_up_plateau', async () => {
    const NodeCache = require('node-cache');
    const cache = new NodeCache({ checkperiod: 0, useClones: false });
    return async () => { for (let j = 0; j < 12; j++) { const key = int(0, 300); if (!cache.has(key)) cache.set(key, body(2400)); } };
  }],
  memoize_leak: ['linear_leak', async () => {
    const square = require('lodash').memoize((key) => body(key ? 700 : 0));
    return async (i) => { churn(30); for (let j = 0; j < 3; j++) square(`${i}.${j}`); };
  }],
  handlebars_steady: ['steady', async () => {
    const template = require('handlebars').compile('{{#each rows}}<li>{{this.a}} {{this.b}}</li>{{/each}}');
    return async () => { template({ rows: Array.from({ length: int(5, 80) }, (_, b) => ({ a: 'x'.repeat(int(1, 50)), b })) }); };
  }],
  marked_steady: ['steady', async () => {
    const { marked } = require('marked');
    return async () => { marked.parse('# T\n\n' + '* some **bold** `code`\n'.repeat(int(2, 40))); };
  }],
  pug_cache_leak: ['linear_leak', async () => {
    const pug = require('pug');
    return async (i) => { pug.render(`p Hello number ${i}\n`, { cache: true, filename: `page${i}` }); };
  }],
};
