'use strict';
// Usage: node browser.cjs CHROMIUM FOLDER: a snapshot of a page that removed half of its 200 widgets and still holds them.
const fs = require('node:fs');
const path = require('node:path');
const { spawn } = require('node:child_process');
const [browser, folder] = process.argv.slice(2);
const PAGE = `<!DOCTYPE html><title>widgets</title><body><script>
  class Widget { constructor(i) { this.element = document.createElement('section'); this.element.textContent = 'widget ' + i; } }
  const removed = [];
  for (let i = 0; i < 200; i++) { const widget = new Widget(i); document.body.append(widget.element); if (i % 2) { widget.element.remove(); removed.push(widget); } }
  globalThis.page = { removed };
</script>`;
const flags = ['--headless', '--no-sandbox', '--disable-gpu', '--remote-debugging-pipe', '--user-data-dir=' + path.join(folder, 'profile')];
const child = spawn(browser, [...flags, 'about:blank'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
const waiting = new Map();
let last = 0;
let rest = '';
function send(method, params, sessionId) {
  child.stdio[3].write(JSON.stringify({ id: ++last, method, params, sessionId }) + '\0');
  return new Promise((resolve, reject) => waiting.set(last, { resolve, reject }));
}
child.stdio[4].setEncoding('utf8').on('data', data => {
  const messages = (rest + data).split('\0');
  rest = messages.pop();
  for (const message of messages.map(text => JSON.parse(text))) {
    if (message.method === 'HeapProfiler.addHeapSnapshotChunk') fs.appendFileSync(path.join(folder, 'page.heapsnapshot'), message.params.chunk);
    const { resolve, reject } = waiting.get(message.id) || {};
    if (message.error) reject(new Error(message.error.message)); else if (resolve) resolve(message.result);
  }
});
async function main() {
  const { targetId } = await send('Target.createTarget', { url: 'data:text/html,' + encodeURIComponent(PAGE) });
  const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
  while ((await send('Runtime.evaluate', { expression: 'globalThis.page?.removed.length' }, sessionId)).result.value !== 100);
  await send('HeapProfiler.takeHeapSnapshot', {}, sessionId);
  await send('Browser.close');
}
main().catch(error => { console.error(error); process.exitCode = 1; child.kill(); });
