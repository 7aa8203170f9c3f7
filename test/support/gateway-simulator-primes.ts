import { createPrivateKey, createPublicKey, generatePrimeSync } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from '../../src/common/errors/tpe-error';
import { type StorageKey, rsaStoragePublic } from './gateway-simulator-keys';

const E = 65_537n;

function inverse(value: bigint, modulus: bigint): bigint {
  let [a, b, x, y] = [value % modulus, modulus, 1n, 0n];
  while (b !== 0n) [a, b, x, y] = [b, a % b, y, x - (a / b) * y];
  return ((x % modulus) + modulus) % modulus;
}

function base64url(value: bigint): string {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex').toString('base64url');
}

function keyOf(p: bigint, q: bigint): StorageKey {
  const d = inverse(E, (p - 1n) * (q - 1n));
  const numbers = { n: p * q, e: E, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q, p) };
  const jwk = Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, base64url(value)]));
  const privateKey = createPrivateKey({ key: { kty: 'RSA', ...jwk }, format: 'jwk' });
  return { privateKey, public: rsaStoragePublic(createPublicKey(privateKey), 'ek') };
}

/** The two upper bits are set, so that the product of two has 2048 bits. */
function prime(): bigint {
  for (;;) {
    const candidate = generatePrimeSync(1024, { bigint: true });
    if (candidate >> 1022n === 3n && candidate % E !== 1n) return candidate;
  }
}

async function cachedPrimes(cache: string): Promise<bigint[]> {
  try {
    return (JSON.parse(await readFile(cache, 'utf8')) as string[]).map((hex) => BigInt(`0x${hex}`));
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return [];
    throw error;
  }
}

/**
 * Endorsement keys for many simulated gateways. Generating an RSA key takes longer than everything else such a gateway
 * does, so each is made of two primes of a small pool: as keys for a simulation they are real and all different, as
 * keys for anything else they would be worthless. The pool is kept in `cache`.
 */
export async function storageKeys(count: number, cache: string): Promise<StorageKey[]> {
  const primes = await cachedPrimes(cache);
  const before = primes.length;
  while ((primes.length * (primes.length - 1)) / 2 < count) primes.push(prime());
  if (primes.length > before) {
    await mkdir(dirname(cache), { recursive: true });
    await writeFile(cache, JSON.stringify(primes.map((value) => value.toString(16))), { mode: 0o600 });
  }
  const keys: StorageKey[] = [];
  for (let i = 1; i < primes.length && keys.length < count; i += 1) {
    for (let j = 0; j < i && keys.length < count; j += 1) {
      const [p, q] = [primes[i], primes[j]];
      if (p !== undefined && q !== undefined) keys.push(keyOf(p, q));
    }
  }
  return keys;
}
