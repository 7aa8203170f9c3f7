import { createHmac } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { type TestApi, withApi } from '../../support/api';
import { RawHttps, requestText } from '../../support/raw-https';

const encode = (value: object | string): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

const partsOf = (token: string): [Record<string, unknown>, Record<string, unknown>] => {
  const [head = '', payload = ''] = token.split('.');
  const decode = (text: string) =>
    JSON.parse(Buffer.from(text, 'base64url').toString()) as Record<string, unknown>;
  return [decode(head), decode(payload)];
};

/** One request on a connection of its own; `undefined` when it ends without an answer. */
async function once(port: number, text: string) {
  const raw = await RawHttps.open(port);
  const answer = await raw.ask(text);
  raw.end();
  return answer;
}

async function statusWith(port: number, authorization: string): Promise<number | undefined> {
  return (await once(port, requestText('GET', '/api/v1/device/general', { Authorization: authorization })))
    ?.status;
}

test('no token but an own one is believed (RFC 8725)', async () => {
  await withApi(async (api) => {
    const port = await api.listen();
    const { token } = api;
    const [head, payload] = partsOf(token);
    const [encodedHead = '', encodedPayload = '', signature = ''] = token.split('.');
    const signed = (header: object, claims: object, key: string | Buffer = 'secret'): string => {
      const text = `${encode(header)}.${encode(claims)}`;
      return `${text}.${createHmac('sha256', key).update(text).digest('base64url')}`;
    };
    const unsigned = (alg: string): string => `${encode({ ...head, alg })}.${encodedPayload}.`;
    const own = (claims: object, options: object = {}): string => api.app.jwt.sign(claims as never, options);
    const jti = String(payload['jti']);
    const forged: Record<string, string> = {
      'alg none': unsigned('none'),
      'alg None': unsigned('None'),
      'alg none with the old signature': `${encode({ ...head, alg: 'none' })}.${encodedPayload}.${signature}`,
      'another key': signed(head, payload),
      'the empty key': signed(head, payload, ''),
      'HS512 by name only': `${encode({ ...head, alg: 'HS512' })}.${encodedPayload}.${signature}`,
      'RS256 by name only': `${encode({ ...head, alg: 'RS256' })}.${encodedPayload}.${signature}`,
      'a key that the token brings': signed({ ...head, jwk: { kty: 'oct', k: encode('secret') } }, payload),
      'a key id that is a path': signed({ ...head, kid: '../../../../dev/null' }, payload, ''),
      'a key from somewhere': signed({ ...head, jku: 'https://attacker.example/jwks' }, payload),
      'no signature': `${encodedHead}.${encodedPayload}`,
      'four parts': `${token}.${signature}`,
      'another payload under the signature': `${encodedHead}.${encode({ ...payload, sub: 'root' })}.${signature}`,
      'another issuer': own({ sub: 'admin', jti }, { iss: 'somebody' }),
      'another audience': own({ sub: 'admin', jti }, { aud: 'another-api' }),
      'no session': own({ sub: 'admin' }),
      'a session that never was': own({ sub: 'admin', jti: '00000000-0000-0000-0000-000000000000' }),
      'a session that is no text': own({ sub: 'admin', jti: { toString: jti } }),
      'a property of the table': own({ sub: 'admin', jti: '__proto__' }),
      'a very long one': `${encodedHead}.${'A'.repeat(12_000)}.${signature}`,
    };
    for (const [what, text] of Object.entries(forged)) {
      expect([what, await statusWith(port, `Bearer ${text}`)]).toEqual([what, 401]);
    }
    for (const scheme of ['Basic', 'Token', '', 'Bearer Bearer']) {
      expect(await statusWith(port, `${scheme} ${token}`)).toBe(401);
    }
    const query = await once(port, requestText('GET', `/api/v1/device/general?token=${token}`));
    const cookie = await once(
      port,
      requestText('GET', '/api/v1/device/general', { Cookie: `token=${token}` }),
    );
    expect([query?.status, cookie?.status]).toEqual([401, 401]);
    expect(await statusWith(port, `Bearer ${token}`)).toBe(200);
  });
});

test('no spelling of a path and no header leads around the token', async () => {
  await withApi(async (api) => {
    const port = await api.listen();
    const paths = [
      '/api/v1/health/../users',
      '/api/v1/health/%2e%2e/users',
      '/api/v1/health%2f..%2fusers',
      '/api/v1//users',
      '//api/v1/users',
      '/api/v1/users/',
      '/API/V1/USERS',
      '/api/v1/users;jsessionid=1',
      '/api/v1/users%00',
      '/api/v1/users?access=public',
      '/api/v1/users#/health',
      '/api/v1/%75sers',
      'https://gateway/api/v1/users',
      '/api/v1/auth/../users/1',
      '*',
    ];
    for (const path of paths) {
      const status = (await once(port, requestText('GET', path)))?.status;
      expect([path, [400, 401, 404].includes(status ?? 0)]).toEqual([path, true]);
    }
    const headers: Record<string, string>[] = [
      { 'X-Original-URL': '/api/v1/users', 'X-Rewrite-URL': '/api/v1/users' },
      { 'X-HTTP-Method-Override': 'POST', 'X-Method-Override': 'POST' },
      { 'X-Forwarded-For': 'iothub', Forwarded: 'for=iothub', 'X-Real-IP': 'iothub' },
      { Upgrade: 'websocket', Connection: 'Upgrade' },
      { Upgrade: 'h2c', Connection: 'Upgrade, HTTP2-Settings', 'HTTP2-Settings': 'AAMAAABk' },
      { Authorization: 'Bearer iothub' },
    ];
    for (const more of headers) {
      const status = (await once(port, requestText('GET', '/api/v1/users', more)))?.status;
      expect([more, status]).toEqual([more, 401]);
    }
    for (const method of ['TRACE', 'CONNECT', 'PROPFIND', 'HEAD', 'OPTIONS']) {
      const raw = await RawHttps.open(port);
      raw.write(requestText(method, '/api/v1/users'));
      const status = method === 'HEAD' ? 404 : ((await raw.next())?.status ?? 404);
      expect([method, [400, 401, 404, 405].includes(status)]).toEqual([method, true]);
      raw.end();
    }
  });
});

const SMUGGLED = 'GET /api/v1/users HTTP/1.1\r\nHost: x\r\n\r\n';

test.each([
  ['two lengths', `Content-Length: 0\r\nContent-Length: ${SMUGGLED.length}\r\n`],
  ['length and chunks', `Content-Length: ${SMUGGLED.length}\r\nTransfer-Encoding: chunked\r\n`],
  ['a coding that is none', 'Transfer-Encoding: xchunked\r\n'],
  ['chunks that are not last', 'Transfer-Encoding: chunked, identity\r\n'],
  ['a folded header', `Transfer-Encoding:\r\n chunked\r\nContent-Length: ${SMUGGLED.length}\r\n`],
  ['a space before the colon', `Content-Length : ${SMUGGLED.length}\r\n`],
  ['a signed length', `Content-Length: +${SMUGGLED.length}\r\n`],
  ['a lone line feed', `X: y\nContent-Length: ${SMUGGLED.length}\r\n`],
  ['a NUL', `X: a\0b\r\n`],
])(
  'a request with %s is refused with its connection, and nothing behind it is answered',
  async (_what, headers) => {
    await withApi(async (api) => {
      const raw = await RawHttps.open(await api.listen());
      raw.write(`POST /api/v1/auth HTTP/1.1\r\nHost: gateway\r\n${headers}\r\n${SMUGGLED}`);
      const statuses: number[] = [];
      for (let answer = await raw.next(); answer !== undefined; answer = await raw.next())
        statuses.push(answer.status);
      expect(statuses).toEqual([400]);
    });
  },
);

test('too many or too long headers, and a request without Host, are refused', async () => {
  await withApi(async (api) => {
    const port = await api.listen();
    const many = Object.fromEntries(Array.from({ length: 3000 }, (_each, i) => [`X-${i}`, '1']));
    expect((await once(port, requestText('GET', '/api/v1/health', many)))?.status).toBe(431);
    expect((await once(port, 'GET /api/v1/health HTTP/1.1\r\n\r\n'))?.status).toBe(400);
    const long = requestText('GET', `/api/v1/${'x'.repeat(20_000)}`);
    expect((await once(port, long))?.status).toBe(431);
  });
});

test('an answer holds no line that a client wrote into its request', async () => {
  await withApi(async (api) => {
    const port = await api.listen();
    for (const path of ['/api/v1/x%0d%0aSet-Cookie:%20a=b', '/api/v1/users/%0d%0aX: y']) {
      const answer = await once(port, requestText('GET', path));
      expect(answer?.head.toLowerCase()).not.toMatch(/set-cookie|\r\nx:/);
    }
  });
});

test('names with line breaks and escapes stay one line of log and audit trail', async () => {
  let log = '';
  await withApi(
    async (api) => {
      const name = 'admin"\n{"level":60,"msg":"forged"}\u001b[31m\u2028\u0000';
      expect((await api.call('POST', '/auth', { name, password: 'Wrong-4711!' })).status).toBe(401);
      const page = await api.call('GET', '/audits?category=auth');
      const records = (page.body as { data: { user: string }[] }).data;
      expect(records.some(({ user }) => user.startsWith('admin"\n{'))).toBe(true);
      const trail = await readFile(join(api.auditFolder, 'audit.jsonl'), 'utf8');
      const lines = trail.trim().split('\n');
      expect(lines.map((line) => (JSON.parse(line) as { id: number }).id)).toEqual(
        lines.map((_line, i) => i + 1),
      );
      expect(trail).not.toContain('\u001b');
      for (const line of log.split('\n').filter((each) => each !== ''))
        expect(() => JSON.parse(line) as unknown).not.toThrow();
      expect(log).not.toContain('"msg":"forged"');
    },
    { logStream: { write: (text) => (log += text) } },
  );
});

test('nobody gives himself rights, and a poisoned body changes nothing', async () => {
  await withApi(async (api: TestApi) => {
    const admin = api.token;
    const user = { name: 'worker', password: 'Initial-4711!', roles: [2] };
    const { id } = await api.data<{ id: number }>('POST', '/users', user);
    await api.login('Initial-4711!', 'worker');
    const change = {
      newPassword: 'Worker-4711!',
      roles: [1],
      roleIds: [1],
      permissions: ['SYS_USER_RW'],
      id: 1,
      mustChange: false,
    };
    await api.data('PUT', '/users/me/password', change);
    await api.login('Worker-4711!', 'worker');
    for (const [method, path, body] of [
      ['PATCH', `/users/${id}`, { roles: [1] }],
      ['PATCH', '/users/1', { isActive: false }],
      ['PUT', '/users/1/password', { newPassword: 'Stolen-4711!' }],
      ['POST', '/users', { ...user, name: 'second', roles: [1] }],
      ['PUT', '/auth-lock', { enable: false }],
      ['DELETE', '/users/1', undefined],
      ['PUT', '/system/reset-default', { scopes: ['account'] }],
    ] as const) {
      expect([path, (await api.call(method, path, body)).status]).toEqual([path, 403]);
    }
    expect(await api.data('GET', '/users/me')).toMatchObject({ id, roles: [{ id: 2 }] });
    api.token = admin;
    for (const payload of [
      '{"roles":[3],"__proto__":{"isActive":false}}',
      '{"roles":[3],"constructor":{"prototype":{"isActive":false}}}',
    ]) {
      expect(
        (await api.call('PATCH', `/users/${id}`, payload, { 'content-type': 'application/json' })).status,
      ).toBe(400);
    }
    expect(({} as Record<string, unknown>)['isActive']).toBeUndefined();
    // Each of these takes the last administrator away; at once they must not do so together.
    await api.data('POST', '/users', { name: 'deputy', password: 'Deputy-4711!', roles: [1] });
    const outcomes = await Promise.all([
      api.call('DELETE', '/users/1'),
      api.call('DELETE', `/users/${id + 1}`),
      api.call('PATCH', '/users/1', { isActive: false }),
      api.call('PATCH', `/users/${id + 1}`, { roles: [3] }),
    ]);
    expect(outcomes.some(({ status }) => status === 409)).toBe(true);
    const left = api.accounts.state.users.filter(({ isActive, roleIds }) => isActive && roleIds.includes(1));
    expect(left).toHaveLength(1);
  });
});

test('a client that renegotiates gets nothing for it', async () => {
  await withApi(async (api) => {
    const socket = connectTls({
      host: '127.0.0.1',
      port: await api.listen(),
      rejectUnauthorized: false,
      maxVersion: 'TLSv1.2',
    });
    const refused = await new Promise<boolean>((resolve) => {
      socket.once('error', () => resolve(true));
      socket.once('close', () => resolve(true));
      socket.once('secureConnect', () => {
        socket.renegotiate({}, (error) => resolve(error !== null));
      });
    });
    socket.destroy();
    expect(refused).toBe(true);
  });
});
