import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

const ADDON = resolve(__dirname, '../../../dist/tpe_system.node');
/** Runs a program that gets the addon's path. @returns what it printed, from JSON */
function run(program: string, ...flags: string[]): { before: number; after: number } {
  const { stdout, stderr } = spawnSync(process.execPath, [...flags, '-e', program, ADDON], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return JSON.parse(stdout) as { before: number; after: number };
}

const HASHES = 12;

/** Anonymous memory, in KiB, before and after hashes on all four threads of libuv's pool. */
const HASHING = `
require(process.argv[1]);
const { readFileSync } = require('node:fs');
const { promisify } = require('node:util');
const scrypt = promisify(require('node:crypto').scrypt);
const anonymous = () => Number(/RssAnon:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
(async () => {
  const hash = () => scrypt('password', 'salt', 32, { N: 2 ** 14, r: 8, p: 1, maxmem: 64 * 2 ** 20 });
  const before = anonymous();
  for (let i = 0; i < ${HASHES}; i += 4) await Promise.all([hash(), hash(), hash(), hash()]);
  console.log(JSON.stringify({ before, after: anonymous() }));
})();
`;

test('the memory of a password hash goes back to the system', () => {
  const { before, after } = run(HASHING);
  // One hash has 16 MiB, and each thread would keep one.
  expect(after - before).toBeLessThan(8 * 1024);
});

/** Anonymous memory, in KiB, with 32 MiB of free blocks below one that is in use, and after giving them back. */
const FRAGMENTING = `
const { giveBackFree } = require(process.argv[1]);
const { readFileSync } = require('node:fs');
const anonymous = () => Number(/RssAnon:\\s+(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
let blocks = Array.from({ length: 512 }, () => Buffer.allocUnsafeSlow(64 * 1024).fill(1));
globalThis.kept = blocks.pop();
blocks = undefined;
(async () => {
  // The memory of array buffers is freed after the collection that found them dead.
  for (let i = 0; i < 4; i += 1) {
    gc();
    await new Promise(setImmediate);
  }
  const before = anonymous();
  giveBackFree();
  console.log(JSON.stringify({ before, after: anonymous() }));
})();
`;

test('free pages below a block that is in use go back to the system', () => {
  const { before, after } = run(FRAGMENTING, '--expose-gc');
  expect(before - after).toBeGreaterThan(24 * 1024);
});
