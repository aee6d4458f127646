'use strict';
// Payments wait for an approval by their number; nobody approves.
const approvals = new Set();

module.exports = app => {
  app.get('/payment', (request, reply) => {
    const payment = { id: request.query.id, receipt: new Array(200).fill(0) };
    const approval = new Promise(resolve => {
      payment.approve = resolve;
    });
    approval.then(function onApproved() {
      payment.receipt = null;
    });
    approvals.add(approval);
    reply.send({ id: payment.id });
  });
};
