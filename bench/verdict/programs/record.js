// Record one trace of one small Node program whose growth is known by construction.
//
//     node --expose-gc record.js PROGRAM SEED ITERATIONS [BATCH] > trace.csv        node record.js --list
//
// Columns as in record.py: heapUsed after two forced collections, heapUsed before them, rss. The rows go into a
// Float64Array made before the first iteration. Held-out programs that are level once started run 30 iterations before it. NODE_PATH points at the third-party packages.
'use strict';
const work = require('./work.js');
const splits = { tune: require('./tune.js'), first_look: require('./first_look.js'), held_out: require('./held_out.js'), second_look: require('./second_look.js'), third_look: require('./third_look.js'), fourth_look: require('./fourth_look.js'), fifth_look: require('./fifth_look.js') };

async function main() {
  const [name, seed, count, size] = process.argv.slice(2);
  const batch = Number(size || 1);
  if (name === '--list') {
    for (const [split, programs] of Object.entries(splits)) {
      for (const [key, [truth]] of Object.entries(programs)) console.log(key, split, truth);
    }
    return;
  }
  const split = Object.keys(splits).find((key) => splits[key][name]);
  const [truth, setup] = splits[split][name];
  work.seed(Number(seed));
  const iterations = Number(count);
  const rows = new Float64Array(iterations * 4);
  const run = await setup();
  for (let i = -30; i < 0 && split !== 'tune' && ['steady', 'spikes', 'fluctuating'].includes(truth); i++) await run(i);
  const begun = performance.now();
  for (let i = 0; i < iterations; i++) {
    for (let step = 0; step < batch; step++) await run(i * batch + step);
    await new Promise((done) => setImmediate(done));
    rows[i * 4 + 1] = process.memoryUsage().heapUsed;
    if (truth !== 'gc_sawtooth') {
      globalThis.gc();
      globalThis.gc();
    }
    const after = process.memoryUsage();
    rows[i * 4] = truth === 'gc_sawtooth' ? 0 : after.heapUsed;
    rows[i * 4 + 2] = after.rss;
    rows[i * 4 + 3] = (performance.now() - begun) / 1000;
  }
  const out = [`# program=node/${name} split=${split} truth=${truth} seed=${seed} batch=${batch}`, 'iteration,seconds,heap_after_gc,heap,rss'];
  for (let i = 0; i < iterations; i++) out.push(`${i},${rows[i * 4 + 3].toFixed(3)},${rows[i * 4]},${rows[i * 4 + 1]},${rows[i * 4 + 2]}`);
  process.stdout.write(out.join('\n') + '\n', () => process.exit(0));
}
main();
