import { hostname } from 'node:os';
import { httpsCall } from '../../../src/common/http/request';
import type { HostControl } from '../../../src/agent/services/helper-client';
import type { EthernetSettings, HelperRequest } from '../../../src/agent/services/helper-protocol';
import { type Method, STRONG_PASSWORD, type TestApi, withApi } from '../../support/api';
import { RawHttps, requestText } from '../../support/raw-https';

/** A root helper that keeps in memory what it was asked for. */
class MemoryHost implements HostControl {
  readonly asked: HelperRequest[] = [];
  ethernet: EthernetSettings = {
    enable: true,
    enableDhcp: false,
    ip: '192.168.4.127',
    netmask: '255.255.255.0',
    gateway: '',
    dns: [],
  };
  #port = 22;
  unconfirmed = false;

  request = ((request: HelperRequest) => {
    this.asked.push(request);
    if (request.verb === 'setSshPort') this.#port = request.port;
    if (request.verb === 'setEthernet') [this.ethernet, this.unconfirmed] = [request.settings, true];
    if (request.verb === 'confirmEthernet') this.unconfirmed &&= request.except !== undefined;
    const ntp = { enable: true, source: 'timeserver', server: 'pool.ntp.org', interval: 64 };
    const answers: Partial<Record<HelperRequest['verb'], object>> = {
      services: { services: [] },
      getSshPort: { port: this.#port },
      getEthernet: { ...this.ethernet, unconfirmed: this.unconfirmed },
      confirmEthernet: { waiting: this.unconfirmed ? 1 : 0 },
      getTime: { timezone: 'Etc/UTC', ntp, synchronized: true },
    };
    return Promise.resolve(answers[request.verb] ?? {});
  }) as HostControl['request'];
}

interface Row {
  readonly request: readonly [Method, string, unknown?];
  readonly status: number;
  readonly body?: unknown;
}

const any = expect.anything() as unknown;
const text = expect.any(String) as unknown;
const refused = (message: string) => ({ error: { code: 400, message } });

/** What `/azure-iotedge` refuses, and how it says so. */
const REFUSALS: readonly (readonly [object, string])[] = [
  [{ source: 'dps', method: 'tpm', enable: true }, 'dps provisioning need scopeId'],
  [{ globalEndpoint: 'http://x' }, 'globalEndpoint need start with https://'],
  [{ source: 'x' }, 'source need one of dps or manual'],
  [{ scopeId: 'x'.repeat(129) }, 'scopeId len need < 128'],
  [{ registrationId: 'x'.repeat(129) }, 'registrationId len need length < 128'],
  [{ registrationId: 'A_B' }, "registrationID only support lowercase alphanumeric and dash ('-') characters"],
];

/** The reference's rows: what a ThingsPro Edge client sends, and what it reads in the answer. */
const rows: Row[] = [
  { request: ['GET', '/auth'], status: 200, body: { data: 'ok' } },
  {
    request: ['GET', '/auth-lock'],
    status: 200,
    body: { data: { enable: true, failWindow: 15, failTimes: 10, lockWindow: 10 } },
  },
  {
    request: ['PUT', '/auth-lock', { enable: true, failWindow: 15, failTimes: 5, lockWindow: 10 }],
    status: 200,
    body: { data: { failTimes: 5 } },
  },
  {
    request: ['GET', '/sessions/configuration'],
    status: 200,
    body: { data: { maxCount: 1024, maxCountByUser: 5, timeoutMin: 1440, idleTimeoutMin: 5 } },
  },
  {
    request: ['GET', '/password-policy'],
    status: 200,
    body: {
      data: {
        atLeastOneDigit: true,
        atLeastOneSpecial: true,
        lengthMin: 8,
        mixedUpperLowerLetters: true,
        enableReminder: false,
        reminderFrequencyDay: 180,
        blacklist: ['admin@123', 'moxamoxa'],
      },
    },
  },
  { request: ['PUT', '/password-policy', { lengthMin: 12 }], status: 200, body: { data: { lengthMin: 12 } } },
  {
    request: ['PUT', '/users/me/password', { newPassword: 'admin@123', oldPassword: STRONG_PASSWORD }],
    status: 400,
    body: refused('New password should be different from default password.'),
  },
  {
    request: ['PATCH', '/device/general', { description: 'pump house', hostName: hostname() }],
    status: 200,
    body: {
      data: { type: 'general', description: 'pump house', hostName: hostname(), memorySize: any, cpu: text },
    },
  },
  { request: ['PATCH', '/device/general', { description: 'x'.repeat(513) }], status: 400 },
  { request: ['PATCH', '/device/general', { hostName: '-bad-' }], status: 400 },
  {
    request: ['GET', '/device/ethernets'],
    status: 200,
    body: {
      count: expect.any(Number) as unknown,
      data: expect.arrayContaining([
        expect.objectContaining({
          id: 1,
          displayName: 'LAN1',
          mac: expect.stringMatching(/^(..:){5}..$/) as unknown,
        }),
      ]) as unknown,
    },
  },
  { request: ['PATCH', '/device/ethernets/99', { enableDhcp: true }], status: 404 },
  { request: ['PATCH', '/device/ethernets/1', { ip: '192.168.4.999' }], status: 400 },
  { request: ['PATCH', '/device/ethernets/1', { netmask: '255.0.255.0' }], status: 400 },
  {
    request: ['GET', '/azure-iotedge'],
    status: 200,
    body: { data: { provisioning: { enable: false, source: 'manual', endorsementKey: text } } },
  },
  ...REFUSALS.map(([provisioning, message]): Row => ({
    request: ['PATCH', '/azure-iotedge', { provisioning }],
    status: 400,
    body: refused(`invalid input, err: ${message}`),
  })),
  { request: ['PUT', '/azure-iotedge/reset'], status: 202 },
  { request: ['PUT', '/azure-iotedge/restart'], status: 202 },
  { request: ['GET', '/system/discovery'], status: 200, body: { data: { enable: true } } },
  {
    request: ['PUT', '/system/discovery', { enable: false }],
    status: 200,
    body: { data: { enable: false } },
  },
  {
    request: ['GET', '/system/provision'],
    status: 200,
    body: { data: { enable: true, schedule: { enable: true, disableAfterSec: 900 } } },
  },
  {
    request: ['PUT', '/system/provision', { enable: true, schedule: { enable: true, disableAfterSec: 600 } }],
    status: 200,
    body: { data: { enable: true, schedule: { enable: true, disableAfterSec: 600 } } },
  },
  {
    request: ['GET', '/system/services'],
    status: 200,
    body: {
      data: {
        cloudConnectivity: any,
        network: any,
        protocol: any,
        service: any,
        provisionService: [
          { available: true, enable: true, id: 'provision' },
          { available: true, enable: true, id: 'provisionschedule' },
        ],
      },
    },
  },
  { request: ['PUT', '/system/services/sshserver/enable'], status: 200, body: { data: { enable: true } } },
  { request: ['PUT', '/system/services/sshserver/disable'], status: 200, body: { data: { enable: false } } },
  { request: ['PUT', '/system/services/httpsservice/disable'], status: 400 },
  { request: ['PUT', '/system/services/nothing/disable'], status: 404 },
  { request: ['GET', '/system/sshserver'], status: 200, body: { data: { enable: false, port: 22 } } },
  {
    request: ['PUT', '/system/sshserver', { enable: true, port: 2222 }],
    status: 200,
    body: { data: { enable: true, port: 2222 } },
  },
  {
    request: ['PATCH', '/system/sshserver', { enable: false }],
    status: 200,
    body: { data: { enable: false } },
  },
  { request: ['GET', '/system/serialconsole'], status: 200, body: { data: { enable: false } } },
  {
    request: ['PUT', '/system/serialconsole', { enable: true }],
    status: 200,
    body: { data: { enable: true } },
  },
  {
    request: ['GET', '/system/httpserver'],
    status: 200,
    body: { data: { httpEnable: false, httpsEnable: true } },
  },
  { request: ['PATCH', '/system/httpserver', { httpsEnable: false }], status: 400 },
  { request: ['PATCH', '/system/httpserver', { httpsPort: 80 }], status: 400 },
  {
    request: ['GET', '/device/time'],
    status: 200,
    body: { data: { time: text, timezone: 'Etc/UTC', ntp: any } },
  },
  { request: ['PATCH', '/device/time', { timezone: 'Asia/Taipei' }], status: 200 },
  { request: ['PATCH', '/device/time', { time: '2026-11-23T22:00:00+08:00' }], status: 200 },
  { request: ['PATCH', '/device/time', { time: 'yesterday' }], status: 400 },
  { request: ['GET', '/audits?limit=5'], status: 200, body: { count: any, data: any } },
  { request: ['GET', '/events'], status: 200, body: { count: any, data: any } },
  { request: ['GET', '/audits?limit=0'], status: 400 },
];

test.each(rows.map((row) => [`${row.request[0]} ${row.request[1]} → ${row.status}`, row] as const))(
  '%s',
  async (_name, { request: [method, path, body], status, body: expected }) => {
    await withApi(
      async (api) => {
        const answer = await api.call(method, path, body);
        expect([answer.text.slice(0, 200), answer.status]).toEqual([expect.anything(), status]);
        if (expected !== undefined) expect(answer.body).toMatchObject(expected as object);
        if (status >= 400) expect(answer.body).toMatchObject({ error: { code: status, message: text } });
      },
      { host: new MemoryHost() },
    );
  },
);

describe('a change of addresses', () => {
  const withHost = async (run: (api: TestApi, host: MemoryHost) => Promise<void>): Promise<void> => {
    const host = new MemoryHost();
    await withApi(async (api) => run(api, host), { host });
  };

  test('waits for a login on the new address, and nothing else is changed meanwhile', async () => {
    await withHost(async (api, host) => {
      const changed = await api.data('PATCH', '/device/ethernets/1', { ip: '10.9.8.7' });
      expect(changed).toMatchObject({ ip: '10.9.8.7', unconfirmed: true });
      expect(host.ethernet.ip).toBe('10.9.8.7');
      const second = await api.call('PATCH', '/device/ethernets/1', { ip: '10.9.8.8' });
      expect(second).toMatchObject({ status: 409, body: { error: { code: 409 } } });
      const port = await api.listen();
      const login = await httpsCall({
        host: '127.0.0.1',
        port,
        method: 'POST',
        path: '/api/v1/auth',
        body: { name: 'admin', password: STRONG_PASSWORD },
        anyKey: true,
        timeoutMs: 10_000,
      });
      expect(login.status).toBe(200);
      expect(host.asked).toContainEqual({ verb: 'confirmEthernet', address: '127.0.0.1' });
      const [ethernet] = await api.data<{ unconfirmed?: boolean }[]>('GET', '/device/ethernets');
      expect(ethernet?.unconfirmed).toBeUndefined();
    });
  });

  test('is not confirmed over a connection from before, and the one that asked for it is closed', async () => {
    await withHost(async (api, host) => {
      const port = await api.listen();
      const bearer = { Authorization: `Bearer ${api.token}` };
      const login = requestText(
        'POST',
        '/api/v1/auth',
        {},
        JSON.stringify({ name: 'admin', password: STRONG_PASSWORD }),
      );
      const [asking, older] = await Promise.all([RawHttps.open(port), RawHttps.open(port)]);
      // Answered, so that its handshake has ended here, too.
      expect((await older.ask(requestText('GET', '/api/v1/health')))?.status).toBe(200);
      const body = JSON.stringify({ gateway: '10.9.8.1' });
      const changed = await asking.ask(requestText('PATCH', '/api/v1/device/ethernets/1', bearer, body));
      expect(changed).toMatchObject({ status: 200 });
      expect(changed?.head.toLowerCase()).toContain('connection: close');
      expect((await older.ask(login))?.status).toBe(200);
      expect(host.unconfirmed).toBe(true);
      const newer = await RawHttps.open(port);
      expect((await newer.ask(login))?.status).toBe(200);
      expect(host.unconfirmed).toBe(false);
      for (const raw of [asking, older, newer]) raw.end();
    });
  });
});

test('reset-default resets what it is told, and everything when it is told nothing', async () => {
  await withApi(async (api) => {
    await api.data('PUT', '/system/discovery', { enable: false });
    expect((await api.call('PUT', '/system/reset-default', { scopes: ['discovery'] })).status).toBe(202);
    expect(await api.data('GET', '/system/discovery')).toEqual({ enable: true });
    expect((await api.call('PUT', '/system/reset-default')).status).toBe(202);
    expect(api.factoryResets).toBe(1);
    expect((await api.call('PUT', '/system/reset-default', { scopes: ['account'] })).status).toBe(202);
    expect((await api.call('GET', '/auth')).status).toBe(401);
    await api.login('admin@123');
  });
});
