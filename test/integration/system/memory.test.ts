import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';

const ADDON = resolve(__dirname, '../../../dist/tpe_system.node');
const HASHES = 12;

/** Anonymous memory, in KiB, before and after hashes on all four threads of libuv's pool. */
const PROGRAM = `
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
  const { stdout, stderr } = spawnSync(process.execPath, ['-e', PROGRAM, ADDON], { encoding: 'utf8' });
  expect(stderr).toBe('');
  const { before, after } = JSON.parse(stdout) as { before: number; after: number };
  // One hash has 16 MiB, and each thread would keep one.
  expect(after - before).toBeLessThan(8 * 1024);
});
