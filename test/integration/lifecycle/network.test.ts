import * as dnsModule from 'node:dns';
import { writeFile } from 'node:fs/promises';
import { type Server, createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, type Server as TcpServer, type Socket, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { makeProxyAgent } from '../../../src/agent/connection/proxy-agent';
import { httpsCall } from '../../../src/common/http/request';
import { selfSigned } from '../../support/certificates';
import { admin, enroll } from '../../support/lifecycle-rig';
import { withTempFolder } from '../../support/temp';
import { waitFor } from '../../support/wait';
import { lifecycleWorld } from './world';

const world = lifecycleWorld();
// The module itself, whose function node:net calls; the import is a copy.
const dns = (dnsModule as unknown as { default?: typeof dnsModule }).default ?? dnsModule;
const closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

async function listening(server: Server | TcpServer, host: string): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, host, () => resolve()));
  closers.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise<void>((resolve) => void server.close(() => resolve()));
  });
  return (server.address() as AddressInfo).port;
}

/** An HTTP proxy that knows CONNECT only. */
async function startProxy(
  credentials?: string,
  tls?: { key: string; cert: string },
): Promise<{ port: number; asked: string[] }> {
  const asked: string[] = [];
  const proxy = tls === undefined ? createHttpServer() : createHttpsServer(tls);
  proxy.on('connect', (request, client: Socket) => {
    const given = request.headers['proxy-authorization'];
    if (credentials !== undefined && given !== `Basic ${Buffer.from(credentials).toString('base64')}`) {
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n');
      return;
    }
    asked.push(request.url ?? '');
    const [host, port] = (request.url ?? '').split(':');
    const upstream = connect(Number(port), host === 'localhost' ? '127.0.0.1' : host, () => {
      client.write('HTTP/1.1 200 Connection Established\r\n\r\n');
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on('error', () => client.destroy());
    client.on('error', () => upstream.destroy());
    client.on('close', () => upstream.destroy());
  });
  return { port: await listening(proxy, '127.0.0.1'), asked };
}

const base = () => ({
  reprovision: 'dynamic' as const,
  trustedCaFile: world.emulator.ready.ca,
  hubGateway: world.emulator.ready.hub,
});

test.each([
  ['without authentication', undefined],
  ['with authentication', 'plant:secret'],
])('through a proxy %s: DPS, and the hub over WebSockets', async (_name, credentials) => {
  const proxy = await startProxy(credentials);
  const user = credentials === undefined ? '' : `${credentials}@`;
  const settings = { ...base(), proxy: `http://${user}127.0.0.1:${proxy.port}` };
  const rig = await world.connected({ settings });
  expect(proxy.asked).toContain(`localhost:${world.emulator.dpsPort}`);
  expect(proxy.asked).toContain(world.emulator.ready.hub);
  expect(rig.log.join('')).not.toContain('secret');
});

test('a proxy that is spoken to over TLS itself', async () => {
  await withTempFolder(async (folder) => {
    const tls = selfSigned(folder);
    const trustedCaFile = join(folder, 'trusted.pem');
    await writeFile(trustedCaFile, `${world.emulator.ca}\n${tls.cert}`);
    const proxy = await startProxy(undefined, tls);
    const settings = { ...base(), trustedCaFile, proxy: `https://localhost:${proxy.port}` };
    await world.connected({ settings });
    expect(proxy.asked).toContain(world.emulator.ready.hub);
  });
});

test('a proxy that refuses the credentials: told as such for DPS and for the hub, without the secret', async () => {
  const proxy = await startProxy('plant:secret');
  const refused = { ...base(), proxy: `http://plant:wrong-secret@127.0.0.1:${proxy.port}` };
  const rig = await world.rig({ settings: refused, random: () => 0.1 });
  await enroll(world.emulator, world.tpm, rig.registrationId);
  await rig.lifecycle.start();
  await rig.configure();
  const dps = await rig.until('backingOff');
  expect(dps.lastError).toMatchObject({
    code: 'HTTP_PROXY_REFUSED',
    message: expect.stringMatching(/localhost.*407/) as string,
  });
  rig.lifecycle.updateSettings({ ...base(), proxy: `http://plant:secret@127.0.0.1:${proxy.port}` });
  await rig.until('connected');
  rig.lifecycle.updateSettings(refused);
  const hub = await rig.until('backingOff');
  expect(hub.lastError).toMatchObject({
    code: 'HTTP_PROXY_REFUSED',
    message: expect.stringContaining(world.emulator.ready.hubHostName) as string,
  });
  rig.lifecycle.updateSettings(base());
  await rig.until('connected');
  expect(JSON.stringify([dps, hub]) + rig.log.join('')).not.toContain('wrong-secret');
});

test('MQTT over WebSockets without a proxy', async () => {
  await world.connected({ settings: { ...base(), transport: 'mqtt-websockets' } });
});

test('IPv6 only: DPS and hub by address literals', async () => {
  const forward = async (port: number): Promise<number> =>
    listening(
      createServer((client) => {
        const upstream = connect(port, '127.0.0.1');
        upstream.on('error', () => client.destroy());
        client.on('close', () => upstream.destroy());
        client.pipe(upstream).pipe(client);
      }),
      '::1',
    );
  const [dps, hub] = await Promise.all([forward(world.emulator.dpsPort), forward(world.emulator.hubPort)]);
  const rig = await world.rig({ settings: { ...base(), hubGateway: `[::1]:${hub}` } });
  await enroll(world.emulator, world.tpm, rig.registrationId);
  await rig.lifecycle.start();
  await rig.azure.patch({
    source: 'dps',
    method: 'tpm',
    globalEndpoint: `https://[::1]:${dps}`,
    scopeId: world.emulator.ready.idScope,
    enable: true,
  });
  await rig.until('connected');
});

test('a captive portal shows another certificate: refused and named; connected when it is gone', async () => {
  await withTempFolder(async (folder) => {
    const { cert } = selfSigned(folder);
    const trustedCaFile = join(folder, 'trusted.pem');
    await writeFile(trustedCaFile, cert);
    const rig = await world.rig({ settings: { ...base(), trustedCaFile }, random: () => 0.1 });
    await enroll(world.emulator, world.tpm, rig.registrationId);
    await rig.lifecycle.start();
    await rig.configure();
    expect((await rig.until('backingOff')).lastError?.code).toBe('HTTP_TLS_REFUSED');
    await writeFile(trustedCaFile, world.emulator.ca);
    await rig.until('connected');
    await writeFile(trustedCaFile, cert);
    const again = await world.restarted(rig);
    expect((await again.until('backingOff')).lastError?.code).toBe('HUB_TLS_REFUSED');
    await writeFile(trustedCaFile, world.emulator.ca);
    await again.until('connected');
  });
});

test('DNS fails at boot, and again when the connection is lost: tried until it answers, no operator needed', async () => {
  let failing = true;
  const real = dns.lookup.bind(dns);
  const lookup = jest.spyOn(dns, 'lookup') as unknown as jest.SpyInstance<void, unknown[]>;
  lookup.mockImplementation((...given) => {
    const done = given.at(-1) as (error: Error) => void;
    if (!failing) (real as unknown as (...args: unknown[]) => void)(...given);
    else
      process.nextTick(() => done(Object.assign(new Error('getaddrinfo EAI_AGAIN'), { code: 'EAI_AGAIN' })));
  });
  try {
    const rig = await world.rig({ random: () => 0.05 });
    await enrollAtOnce(rig.registrationId);
    await rig.lifecycle.start();
    await rig.configure();
    expect((await rig.until('backingOff')).lastError?.code).toBe('HTTP_UNREACHABLE');
    expect(rig.lifecycle.status().lastError?.message).toContain('EAI_AGAIN');
    failing = false;
    await rig.until('connected');
    failing = true;
    const { connects } = rig.lifecycle.status().counters;
    world.emulator.hubs.get(world.emulator.ready.hubHostName)!.link(rig.registrationId)!.close('lost');
    await waitFor('the name to fail', () => rig.lifecycle.status().lastError?.message.includes('EAI_AGAIN'));
    expect(rig.lifecycle.status().lastError?.code).toBe('HUB_UNREACHABLE');
    failing = false;
    await waitFor('the next connection', () => rig.lifecycle.status().counters.connects > connects);
    expect(rig.counts()).toMatchObject({ dpsRegisters: 1 });
  } finally {
    lookup.mockRestore();
  }

  async function enrollAtOnce(registrationId: string): Promise<void> {
    failing = false;
    await enroll(world.emulator, world.tpm, registrationId);
    // Connections that are kept open need no name.
    for (const dpsListening of [false, true])
      await admin(world.emulator, 'PATCH', '/settings', { dpsListening });
    failing = true;
  }
});

test('a proxy that never answers is named, and no connection to it is left open', async () => {
  let connections = 0;
  const port = await listening(
    createServer((socket) => {
      connections += 1;
      socket.resume().on('close', () => (connections -= 1));
    }),
    '127.0.0.1',
  );
  const call = httpsCall({
    host: 'dps.invalid',
    port: 443,
    method: 'GET',
    path: '/',
    timeoutMs: 20_000,
    agent: await makeProxyAgent(`http://127.0.0.1:${port}`, {}, 200),
  });
  await expect(call).rejects.toMatchObject({
    code: 'HTTP_UNREACHABLE',
    message: expect.stringContaining(`the proxy 127.0.0.1:${port} did not answer`) as string,
  });
  await waitFor('the connection to be closed', () => connections === 0, 5000);
});
