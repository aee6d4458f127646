'use strict';
// Failed deliveries are tried again later by functions that keep the whole request; later never comes.
const retries = [];

module.exports = app => {
  app.get('/delivery', (request, reply) => {
    const parcel = { id: request.query.id, labels: new Array(300).fill(request.query.id) };
    retries.push(function retryDelivery() {
      return parcel.labels.length;
    });
    reply.send({ id: parcel.id });
  });
};
