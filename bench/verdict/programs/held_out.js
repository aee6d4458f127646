// Node programs no tuning has seen: the truth about their growth, and what one iteration does.
'use strict';
const { body, int, plain, random } = require('./work.js');

const text = (low, high) => 'x'.repeat(int(low, high)) + random();
const rows = (most) => Array.from({ length: int(1, most) }, (_, id) => ({ id, name: text(1, 40), price: random() }));
const kept = [];

module.exports = {
  luxon_steady: ['steady', async () => {
    const { DateTime } = require('luxon');
    return async () => { for (let j = 0; j < 30; j++) DateTime.fromMillis(int(0, 2e9) * 1000).toISO(); };
  }],
  sanitize_steady: ['steady', async () => {
    const sanitize = require('sanitize-html');
    return async () => { for (let j = 0; j < 3; j++) sanitize('<b>x</b><script>y</script>'.repeat(int(1, 20))); };
  }],
  pino_steady: ['steady', async () => {
    const log = require('pino')({ level: 'info' }, { write() {} });
    return async (i) => { for (let j = 0; j < 30; j++) log.info({ i, body: text(1, 90) }, 'order'); };
  }],
  ws_frames_steady: ['steady', async () => {
    const { Sender } = require('ws');
    return async () => { for (let j = 0; j < 20; j++) Sender.frame(Buffer.alloc(int(1, 900)), { fin: true, opcode: 2, mask: false, readOnly: false }); };
  }],
  lodash_steady: ['steady', async () => {
    const _ = require('lodash');
    return async () => { _.groupBy(_.sortBy(rows(150), 'price'), (r) => Math.floor(r.price * 5)); };
  }],
  promise_chain_leak: ['linear_leak', plain((i) => { for (let j = 0; j < 3; j++) { const data = body(300); kept.push(new Promise(() => data)); } })],
  winston_meta_leak: ['linear_leak', async () => {
    const winston = require('winston');
    const parent = winston.createLogger({ silent: true, transports: [new winston.transports.Console({ silent: true })] });
    return async (i) => { for (let j = 0; j < 2; j++) kept.push(parent.child({ order: `${i}-${j}`, body: body(160) })); };
  }],
  map_ring_plateau: ['warm_up_plateau', async () => {
    const ring = new Map();
    return async (i) => { for (let j = 0; j < 7; j++) { ring.set(`${i}-${j}`, body(1500)); if (ring.size > 330) ring.delete(ring.keys().next().value); } };
  }],
};
