import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodeCache } from '../../../src/agent/start/code-cache';

const CODE = Buffer.from('bytecode of the agent');

describe('the code cache', () => {
  let base: string;
  let folder: string;
  const fileOf = (): string => join(folder, readdirSync(folder)[0] ?? '');

  beforeEach(() => {
    base = mkdtempSync(join(tmpdir(), 'tpe-'));
    folder = join(base, 'cache');
    mkdirSync(folder);
  });

  afterEach(() => rmSync(base, { recursive: true }));

  const cache = (build = 'b1'): CodeCache => new CodeCache(folder, 'tpe-agent', build);

  it('gives back what was written, readable by nobody else', () => {
    cache().write(CODE);
    expect(cache().read()).toEqual(CODE);
    expect(readdirSync(folder)).toHaveLength(1);
  });

  it('knows nothing in the beginning, and nothing of another build', () => {
    expect(cache().read()).toBeUndefined();
    cache('b1').write(CODE);
    expect(cache('b2').read()).toBeUndefined();
  });

  it('keeps the newest build only', () => {
    cache('b1').write(CODE);
    cache('b2').write(CODE);
    expect(readdirSync(folder)).toHaveLength(1);
    expect(cache('b1').read()).toBeUndefined();
  });

  it.each([
    ['cut off', (bytes: Buffer) => bytes.subarray(0, -1)],
    ['empty', () => Buffer.alloc(0)],
    [
      'with one bit turned',
      (bytes: Buffer) => Buffer.from(bytes.map((byte, i) => (i === 9 ? byte ^ 4 : byte))),
    ],
  ])('does not run a file %s', (_what, damage) => {
    cache().write(CODE);
    writeFileSync(fileOf(), damage(readFileSync(fileOf())));
    expect(cache().read()).toBeUndefined();
  });

  it('does not run what others can write, or wrote, or point to', () => {
    cache().write(CODE);
    const file = fileOf();
    chmodSync(file, 0o620);
    expect(cache().read()).toBeUndefined();
    chmodSync(file, 0o600);
    expect(cache().read()).toEqual(CODE);
    const target = join(base, 'target');
    writeFileSync(target, readFileSync(file), { mode: 0o600 });
    cache('b2').write(CODE);
    symlinkSync(target, file);
    expect(cache().read()).toBeUndefined();
    if (process.getuid?.() === 0) {
      rmSync(file);
      chownSync(fileOf(), 1, 1);
      expect(cache('b2').read()).toBeUndefined();
    }
  });
});
