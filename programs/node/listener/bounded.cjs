'use strict';
// Each order listens for new prices until it is answered.
const { EventEmitter } = require('node:events');
const prices = new EventEmitter();
prices.setMaxListeners(0);

module.exports = app => {
  app.get('/order', (request, reply) => {
    const order = { id: request.query.id, price: 1, history: new Array(200).fill(0) };
    const onPriceChange = price => {
      order.history.push(price);
    };
    prices.on('change', onPriceChange);
    reply.send({ id: order.id, price: order.price });
    prices.off('change', onPriceChange);
  });
};
