'use strict';
// Payments wait for an approval, which comes with the answer.
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
    payment.approve();
    approval.finally(() => approvals.delete(approval));
  });
};
