'use strict';
// Each order listens for new prices, and none of them stops when it is answered.
const { EventEmitter } = require('node:events');
const prices = new EventEmitter();
prices.setMaxListeners(0);

module.exports = app => {
  app.get('/order', (request, reply) => {
    const order = { id: request.query.id, price: 1, history: new Array(200).fill(0) };
    prices.on('change', function onPriceChange(price) {
      order.history.push(price);
    });
    reply.send({ id: order.id, price: order.price });
  });
};
