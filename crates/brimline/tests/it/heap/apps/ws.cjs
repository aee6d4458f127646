'use strict';
// Usage: node ws.cjs PREFIX clean|leaky: a listener for each connection that outlives it, a history of messages.
const { EventEmitter, once } = require('node:events');
const { WebSocket, WebSocketServer } = require('ws');
const { measure } = require('./load.cjs');
const leaky = process.argv[3] === 'leaky';
const feed = new EventEmitter();
feed.setMaxListeners(0);
const history = [];
const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
server.on('connection', socket => {
  function onPrice(price) { socket.send(String(price)); }
  feed.on('price', onPrice);
  socket.on('message', message => {
    if (leaky) history.push(Buffer.alloc(2000, message));
    socket.send(message);
  });
  socket.on('close', () => { if (!leaky) feed.off('price', onPrice); });
});
server.on('listening', () => measure(async i => {
  const socket = new WebSocket('ws://127.0.0.1:' + server.address().port);
  await once(socket, 'open');
  socket.send('hello ' + i);
  await once(socket, 'message');
  socket.close();
  await once(socket, 'close');
}));
