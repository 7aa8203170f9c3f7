import { X509Certificate, createPrivateKey } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { certificateWarning } from '../../../src/agent/api/own-certificate';
import { spkiSha256 } from '../../../src/common/http/request';
import { type TestApi, type TestApiOptions, testApi, withApi } from '../../support/api';
import { chainOf } from '../../support/certificates';
import { RawHttps, requestText } from '../../support/raw-https';
import { withTempFolder } from '../../support/temp';
import { waitFor } from '../../support/wait';

const ROUTE = '/system/httpserver/certificate';

/** Base64 SHA-256 of the key that a new connection meets. */
async function keyMet(port: number): Promise<string> {
  const raw = await RawHttps.open(port);
  const certificate = raw.socket.getPeerX509Certificate();
  raw.end();
  return certificate === undefined ? '' : spkiSha256(certificate);
}

/** The gateway with this state folder, until the end of `run`. */
async function running(
  folder: string,
  run: (api: TestApi, port: number) => Promise<void>,
  options: TestApiOptions = {},
): Promise<void> {
  const api = await testApi(folder, options);
  try {
    await run(api, await api.listen());
  } finally {
    await api.close();
  }
}

const put = async (api: TestApi, certificate: string, privateKey: string, more = {}) =>
  api.call('PUT', ROUTE, { certificate, privateKey, ...more });

test('an own chain is met by the next connection, outlives a restart, and goes again', async () => {
  await withTempFolder(async (folder) => {
    const { certs, key } = chainOf(folder, 3);
    const own = spkiSha256(new X509Certificate(certs[0] ?? ''));
    let selfMade = '';
    await running(folder, async (api, port) => {
      await api.takeOver();
      selfMade = await keyMet(port);
      const answer = await put(api, certs.join(''), key);
      expect(answer).toMatchObject({ status: 200, body: { data: { keySha256: own } } });
      expect(await keyMet(port)).toBe(own);
      const trail = JSON.stringify(await api.data('GET', '/audits'));
      expect(trail).toContain('change certificate');
      expect(trail).not.toContain('PRIVATE KEY');
    });
    await running(folder, async (api, port) => {
      await api.login();
      expect(await keyMet(port)).toBe(own);
      const back = await api.call('DELETE', ROUTE);
      expect(back).toMatchObject({ status: 200, body: { data: { keySha256: selfMade } } });
      expect(await keyMet(port)).toBe(selfMade);
    });
  });
});

test('what could not serve is refused with its reason, and the present certificate stays', async () => {
  await withTempFolder(async (folder) => {
    await withApi(async (api) => {
      const port = await api.listen();
      const before = await keyMet(port);
      const good = chainOf(folder, 2);
      const [leaf = '', root = ''] = good.certs;
      const other = chainOf(folder, 1);
      const encrypted = createPrivateKey(good.key)
        .export({ format: 'pem', type: 'pkcs8', cipher: 'aes-256-cbc', passphrase: 'x' })
        .toString();
      const refused: [string, string, string][] = [
        [leaf, other.key, 'the private key belongs to another certificate'],
        [root, good.key, 'the private key belongs to another certificate'],
        [leaf + (other.certs[0] ?? ''), good.key, 'number 1 was not issued by number 2'],
        [leaf.repeat(7), good.key, 'the chain is too long'],
        [leaf, encrypted, 'without a passphrase'],
        [
          leaf,
          `-----BEGIN PRIVATE KEY-----\n${'A'.repeat(64)}\n-----END PRIVATE KEY-----\n`,
          'cannot be read',
        ],
        ['x'.repeat(64), good.key, 'it is not PEM'],
        [
          `-----BEGIN CERTIFICATE-----\n${'A'.repeat(64)}\n-----END CERTIFICATE-----\n`,
          good.key,
          'cannot be parsed',
        ],
      ];
      for (const [certificate, key, reason] of refused) {
        const answer = await put(api, certificate, key);
        expect(answer).toMatchObject({ status: 400, body: { error: { id: 'API_CERTIFICATE_REFUSED' } } });
        expect(answer.text).toContain(reason);
      }
      expect((await put(api, 'x'.repeat(40_000), good.key)).status).toBe(400);
      const weak = chainOf(folder, 1, { key: ['-newkey', 'rsa:1024'] });
      expect((await put(api, weak.certs.join(''), weak.key)).text).toContain('only 1024 bits');
      expect(await keyMet(port)).toBe(before);
    });
  });
});

test('validity is judged when the clock is known to be right, and only then', async () => {
  await withTempFolder(async (folder) => {
    await withApi(async (api) => {
      const { certs, key } = chainOf(folder, 1);
      api.status = { ...api.status, state: 'connected' };
      api.clock.jump(Date.parse('2040-01-01T00:00:00Z') - api.clock.now());
      expect((await put(api, certs.join(''), key)).text).toContain('it has expired');
      api.clock.jump(Date.parse('2021-01-01T00:00:00Z') - api.clock.now());
      expect((await put(api, certs.join(''), key)).text).toContain('it is not valid yet');
      api.status = { ...api.status, state: 'waitingForTime' };
      expect((await put(api, certs.join(''), key)).status).toBe(200);
    });
  });
});

test('two uploads at once leave a key and its own certificate, not one of each', async () => {
  await withTempFolder(async (folder) => {
    let met = '';
    await running(folder, async (api, port) => {
      await api.takeOver();
      const chains = Array.from({ length: 2 }, () => chainOf(folder, 1));
      for (let round = 0; round < 5; round += 1) {
        const answers = await Promise.all(
          chains.map(async ({ certs, key }) => put(api, certs.join(''), key)),
        );
        expect(answers.map(({ status }) => status)).toEqual([200, 200]);
      }
      met = await keyMet(port);
    });
    await running(folder, async (_api, port) => expect(await keyMet(port)).toBe(met));
  });
});

test('a damaged own certificate is told, and the self-made one serves', async () => {
  await withTempFolder(async (folder) => {
    const { certs, key } = chainOf(folder, 1);
    let selfMade = '';
    await running(folder, async (api, port) => {
      await api.takeOver();
      selfMade = await keyMet(port);
      expect((await put(api, certs.join(''), key)).status).toBe(200);
    });
    const file = join(folder, 'state/own-tls.pem');
    await writeFile(file, (await readFile(file, 'utf8')).slice(0, -100));
    let log = '';
    const logStream = { write: (text: string) => (log += text) };
    await running(folder, async (_api, port) => expect(await keyMet(port)).toBe(selfMade), { logStream });
    expect(log).toContain('the own certificate cannot be used');
  });
});

test('a certificate for an address of the gateway fits, whatever it names besides', async () => {
  await withTempFolder((folder) => {
    const [certificate = ''] = chainOf(folder, 1, { names: 'DNS:elsewhere.example,IP:192.0.2.7' }).certs;
    expect(certificateWarning(certificate, ['gateway', '192.0.2.7'], undefined)).toBeUndefined();
    expect(certificateWarning(certificate, ['gateway', '192.0.2.8'], undefined)).toContain(
      'gateway, 192.0.2.8',
    );
    return Promise.resolve();
  });
});

const warningOf = async (api: TestApi): Promise<string | undefined> =>
  (await api.data<{ warning?: string }>('GET', '/system/httpserver')).warning;

test.each([
  ['the host name', `DNS:${hostname()}`],
  ['the host name in a domain', `DNS:${hostname()}.plant.example`],
  ['all hosts of a domain', 'DNS:*.plant.example'],
])('a certificate for %s fits', async (_what, names) => {
  await withTempFolder(async (folder) => {
    await withApi(async (api) => {
      const { certs, key } = chainOf(folder, 1, { names });
      const answer = await put(api, certs.join(''), key);
      expect(answer.status).toBe(200);
      expect(answer.text).not.toContain('warning');
    });
  });
});

test.each([
  ['another host', 'DNS:elsewhere.example,IP:203.0.113.9', 'elsewhere.example, 203.0.113.9'],
  ['a host below this one', `DNS:other.${hostname()}.example`, `other.${hostname()}.example`],
  ['nobody', 'email:plant@plant.example', 'no subjectAltName'],
])('a certificate for %s is used on demand only, with a warning that stays', async (_what, names, named) => {
  await withTempFolder(async (folder) => {
    await withApi(async (api) => {
      const port = await api.listen();
      const { certs, key } = chainOf(folder, 1, { names });
      const before = await keyMet(port);
      const refused = await put(api, certs.join(''), key);
      expect(refused.status).toBe(400);
      expect(refused.text).toContain(named);
      expect(refused.text).toContain('allowOtherNames');
      expect(await keyMet(port)).toBe(before);
      const answer = await put(api, certs.join(''), key, { allowOtherNames: true });
      expect(answer).toMatchObject({
        status: 200,
        body: { data: { warning: expect.any(String) as string } },
      });
      expect(await warningOf(api)).toContain(named);
      expect(await keyMet(port)).toBe(spkiSha256(new X509Certificate(certs[0] ?? '')));
      expect((await api.call('DELETE', ROUTE)).status).toBe(200);
      expect(await warningOf(api)).toBeUndefined();
    });
  });
});

test('the end of a certificate is told when the clock is known to be right', async () => {
  await withTempFolder(async (folder) => {
    await withApi(async (api) => {
      const { certs, key } = chainOf(folder, 1);
      expect((await put(api, certs.join(''), key)).status).toBe(200);
      api.clock.jump(Date.parse('2040-01-01T00:00:00Z') - api.clock.now());
      expect(await warningOf(api)).toBeUndefined();
      api.status = { ...api.status, state: 'connected' };
      expect(await warningOf(api)).toContain('has expired');
    });
  });
});

test('a port that somebody else holds at the start is listened on when it is free', async () => {
  const blocker = createServer();
  await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
  const address = blocker.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  let log = '';
  await withApi(
    async (api) => {
      expect(await api.listen()).toBe(port);
      expect(log).toContain('API_LISTEN_FAILED');
      api.clock.advance(5000);
      await new Promise((resolve) => blocker.close(resolve));
      await waitFor('HTTPS', () => {
        api.clock.advance(5000);
        return log.includes('HTTPS listens now');
      });
      const raw = await RawHttps.open(port);
      expect((await raw.ask(requestText('GET', '/api/v1/health')))?.status).toBe(200);
      raw.end();
    },
    { port, logStream: { write: (text) => (log += text) } },
  );
});
