#!/usr/bin/env node
'use strict';
// Starts the command of this platform's package; signals, streams and the exit code are the command's own.
const { spawn } = require('node:child_process');
const os = require('node:os');

const name = `@brimline/${process.platform}-${process.arch}`;
let command;
try {
  command = require.resolve(`${name}/brimline`);
} catch {
  console.error(
    `error: expected the package ${name}, found none\n\n` +
      'hint: there is one for linux-x64; where it is, install without `--omit=optional`, or build the command: cargo install --path crates/brimline',
  );
  process.exit(125);
}

const child = spawn(command, process.argv.slice(2), { stdio: 'inherit' });
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2'];
for (const signal of signals) process.on(signal, () => child.kill(signal));
child.on('error', error => {
  console.error(`error: failed to start ${command}: ${error.message}`);
  process.exit(125);
});
child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code);
  // Ends as the command did, so that shells see the same signal.
  for (const known of signals) process.removeAllListeners(known);
  process.kill(process.pid, signal);
  setTimeout(() => process.exit(128 + os.constants.signals[signal]), 1000);
});
