import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';

/** A self-signed P-256 server certificate for localhost and the loopback addresses, made by openssl. */
export function selfSigned(folder: string, name = 'server'): { key: string; cert: string } {
  const [keyFile, certFile] = [join(folder, `${name}.key`), join(folder, `${name}.pem`)];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', keyFile];
  execFileSync('openssl', ['req', '-x509', ...key, '-out', certFile, '-days', '2', ...subject], {
    stdio: 'ignore',
  });
  return { key: readFileSync(keyFile, 'utf8'), cert: readFileSync(certFile, 'utf8') };
}

/** Options of openssl for keys and names, where they are not those of {@link chainOf}. */
export interface ChainOptions {
  readonly names?: string;
  readonly key?: readonly string[];
  readonly days?: number;
}

/** A chain of certificates by openssl, leaf first, of `length` with its root; with the leaf's key. */
export function chainOf(
  folder: string,
  length: number,
  {
    names = `DNS:${hostname()}`,
    key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256'],
    days = 2,
  }: ChainOptions = {},
): { key: string; certs: string[] } {
  const file = (n: number, ending: string): string => join(folder, `chain-${n}.${ending}`);
  const extension = (n: number): string =>
    n === 0 ? `subjectAltName=${names}` : 'basicConstraints=critical,CA:TRUE';
  for (let n = length - 1; n >= 0; n -= 1) {
    const issuer = n === length - 1 ? [] : ['-CA', file(n + 1, 'pem'), '-CAkey', file(n + 1, 'key')];
    const args = ['-x509', ...key, '-nodes', '-keyout', file(n, 'key'), '-out', file(n, 'pem'), ...issuer];
    const about = ['-days', String(days), '-subj', `/CN=number ${n}`, '-addext', extension(n)];
    execFileSync('openssl', ['req', ...args, ...about], { stdio: 'ignore' });
  }
  const certs = Array.from({ length }, (_each, n) => readFileSync(file(n, 'pem'), 'utf8'));
  return { key: readFileSync(file(0, 'key'), 'utf8'), certs };
}
