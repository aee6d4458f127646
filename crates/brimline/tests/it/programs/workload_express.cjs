'use strict';
// An Express server; `leaky` keeps a row for each request, `bounded` only the latest hundred.
const express = require('express');

const rows = [];
const app = express();
app.get('/rows', (request, response) => {
  rows.push(new Array(600).fill(rows.length));
  if (process.argv[2] === 'bounded' && rows.length > 100) rows.shift();
  response.json({ count: rows.length });
});
app.listen(0, '127.0.0.1');
