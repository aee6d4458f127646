// Usage: node pack.mjs COMMAND FOLDER: packs the npm packages with this build of the command; prints the tarballs' names.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, mkdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const [command, out] = process.argv.slice(2).map(file => path.resolve(file));
const source = path.dirname(fileURLToPath(import.meta.url));
const work = mkdtempSync(path.join(os.tmpdir(), 'brimline-pack-'));
try {
  mkdirSync(out, { recursive: true });
  for (const [folder, files] of [
    ['.', ['package.json', 'README.md', 'index.js', 'index.d.ts', 'bin']],
    ['linux-x64', ['package.json', 'README.md']],
  ]) {
    const target = path.join(work, folder === '.' ? 'brimline' : folder);
    for (const file of files) cpSync(path.join(source, folder, file), path.join(target, file), { recursive: true });
    for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) cpSync(path.join(source, '..', licence), path.join(target, licence));
    if (folder !== '.') {
      cpSync(command, path.join(target, 'brimline'));
      chmodSync(path.join(target, 'brimline'), 0o755);
    }
    const packed = execFileSync('npm', ['pack', '--silent', '--pack-destination', out, target], { encoding: 'utf8' });
    console.log(packed.trim().split('\n').pop());
  }
} finally {
  rmSync(work, { recursive: true });
}
