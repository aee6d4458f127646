'use strict';
// Each reservation is given up after an hour, also when it was taken at once.
module.exports = app => {
  app.get('/seat', (request, reply) => {
    const reservation = { seat: request.query.id, plan: new Array(200).fill(0) };
    const timer = setTimeout(function expireReservation() {
      reservation.plan = null;
    }, 3600000);
    timer.unref();
    reply.send({ seat: reservation.seat });
  });
};
