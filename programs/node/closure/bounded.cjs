'use strict';
// Failed deliveries are tried again later by functions that keep the whole request; the oldest are dropped.
const retries = [];

module.exports = app => {
  app.get('/delivery', (request, reply) => {
    const parcel = { id: request.query.id, labels: new Array(300).fill(request.query.id) };
    retries.push(function retryDelivery() {
      return parcel.labels.length;
    });
    if (retries.length > 50) retries.shift()();
    reply.send({ id: parcel.id });
  });
};
