'use strict';
// Marks and captures from within a program that `brimline run` records; in all others nothing happens.
// `brimline run` tells its command and the run's folder through the environment, and is asked through that command.
const { BRIMLINE_BINARY: binary, BRIMLINE_RUN: folder } = process.env;
const isRecorded = Boolean(binary && folder);
// Seconds from the program's start within which the recorder may still be about to find it.
const EARLY = 5;
// `STORE/runs/ID`
const [store, run] = isRecorded ? folder.split(/\/runs\/(?=[^/]*$)/) : [];

/** Runs `brimline WORD … --json`; answers what it printed, or null after a warning. */
function ask(word, words) {
  const { execFile } = require('node:child_process');
  // The command is no part of what is recorded.
  const env = { ...process.env };
  for (const name of ['LD_PRELOAD', 'NODE_OPTIONS', 'BRIMLINE_TRACKER_DIR', 'BRIMLINE_RUN']) delete env[name];
  return new Promise(resolve => {
    const give = error => {
      process.emitWarning(`${word} failed: ${error.message.trim()}`, 'BrimlineWarning');
      resolve(null);
    };
    const done = (error, stdout, stderr) => {
      // 4: could not capture.
      if (error && error.code === 4 && process.uptime() < EARLY) return setTimeout(start, 200);
      // 3: captured, but incomplete.
      if (error && error.code !== 3) return give(new Error(stderr || error.message));
      try {
        resolve(JSON.parse(stdout));
      } catch (broken) {
        give(broken);
      }
    };
    const start = () => {
      try {
        execFile(binary, [word, '--json', '--store', store, ...words], { env }, done);
      } catch (error) {
        give(error);
      }
    };
    start();
  });
}

async function mark(name) {
  if (!isRecorded) return false;
  return (await ask('mark', ['--', run, String(name)])) !== null;
}

async function snapshot(name) {
  if (!isRecorded) return null;
  const named = name === undefined ? [] : [`--name=${name}`];
  const answer = await ask('snapshot', [`--process=${process.pid}`, ...named, '--', run]);
  return answer && answer.name;
}

module.exports = { isRecorded, mark, snapshot };
