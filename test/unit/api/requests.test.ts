import { testApi, withApi } from '../../support/api';
import { withTempFolder } from '../../support/temp';

const azure = '/azure-iotedge';

test('the endorsement key comes with the Azure configuration, and the ID scope is written back', async () => {
  await withApi(async (api) => {
    const before = await api.call('GET', azure);
    expect(before).toMatchObject({
      status: 200,
      body: {
        data: {
          provisioning: {
            enable: false,
            source: 'manual',
            method: 'tpm',
            globalEndpoint: 'https://global.azure-devices-provisioning.net',
            registrationId: 'taicb1046771',
            endorsementKey: 'AToAAQALAAMA',
          },
        },
      },
    });
    const provisioning = {
      source: 'dps',
      method: 'tpm',
      globalEndpoint: 'https://global.azure-devices-provisioning.net',
      registrationId: 'taicb1046771',
      scopeId: '0ne00012345',
    };
    expect((await api.call('PATCH', azure, { provisioning })).status).toBe(200);
    const after = await api.call('PATCH', azure, { provisioning: { enable: true } });
    expect(after).toMatchObject({
      status: 200,
      body: { data: { provisioning: { ...provisioning, enable: true, endorsementKey: 'AToAAQALAAMA' } } },
    });
  });
});

test.each([
  ['no scope', { source: 'dps', method: 'tpm', enable: true }, 'dps provisioning need scopeId'],
  ['http endpoint', { globalEndpoint: 'http://x' }, 'globalEndpoint need start with https://'],
  ['unknown source', { source: 'cloud' }, 'source need one of dps or manual'],
  [
    'upper case',
    { registrationId: 'TAICB1046771' },
    "registrationID only support lowercase alphanumeric and dash ('-') characters",
  ],
])(
  'the Azure configuration with %s is refused with the documented message',
  async (_what, change, message) => {
    await withApi(async (api) => {
      expect(await api.call('PATCH', azure, { provisioning: change })).toMatchObject({
        status: 400,
        body: { error: { code: 400, message: `invalid input, err: ${message}` } },
      });
    });
  },
);

test.each([
  ['not an object', '[1]'],
  ['a number for a switch', '{"provisioning":{"enable":1}}'],
  ['a text for a switch', '{"provisioning":{"enable":"true"}}'],
  ['null', 'null'],
  ['not JSON', '{"provisioning":'],
  ['a poisoned prototype', '{"__proto__":{"enable":true}}'],
])('a body that is %s is a 400 in the envelope', async (_what, payload) => {
  await withApi(async (api) => {
    const answer = await api.call('PATCH', azure, payload, { 'content-type': 'application/json' });
    expect(answer).toMatchObject({ status: 400, body: { error: { code: 400 } } });
  });
});

test('an empty body with Content-Type application/json is accepted where none is needed', async () => {
  await withApi(async (api) => {
    const json = { 'content-type': 'application/json' };
    expect((await api.call('GET', '/auth', undefined, json)).status).toBe(200);
    expect((await api.call('PUT', '/system/services/sshserver/enable', undefined, json)).status).toBe(200);
    expect((await api.call('PUT', '/system/services/sshserver/enable', '', json)).status).toBe(200);
    expect((await api.call('PATCH', azure, '', json)).status).toBe(400);
  });
});

test('JSON without a Content-Type is accepted, another type is not', async () => {
  await withApi(async (api) => {
    const body = Buffer.from('{"enable":false}');
    expect(await api.call('PUT', '/system/discovery', body)).toMatchObject({
      status: 200,
      body: { data: { enable: false } },
    });
    const form = { 'content-type': 'application/x-www-form-urlencoded' };
    expect(await api.call('PUT', '/system/discovery', 'enable=true', form)).toMatchObject({
      status: 415,
      body: { error: { code: 415 } },
    });
  });
});

test('an oversized body, an unknown path and a malformed path answer in the envelope', async () => {
  await withApi(async (api) => {
    const large = { provisioning: { scopeId: 'x'.repeat(70_000) } };
    expect(await api.call('PATCH', azure, large)).toMatchObject({
      status: 413,
      body: { error: { code: 413 } },
    });
    expect(await api.call('GET', '/nothing')).toMatchObject({ status: 404, body: { error: { code: 404 } } });
    expect(await api.call('GET', '/%zz')).toMatchObject({ status: 400, body: { error: { code: 400 } } });
  });
});

test('services are listed in their groups, and the desired state is stored', async () => {
  await withTempFolder(async (folder) => {
    const api = await testApi(folder);
    await api.takeOver();
    expect(await api.call('PUT', '/system/services/sshserver/enable')).toMatchObject({
      status: 200,
      body: { data: { enable: true } },
    });
    expect((await api.call('PUT', '/system/services/nothing/enable')).status).toBe(404);
    expect((await api.call('PUT', '/system/services/__proto__/enable')).status).toBe(400);
    await api.close();
    const again = await testApi(folder);
    await again.login();
    const { body } = await again.call('GET', '/system/services');
    const groups = (body as { data: Record<string, { id: string; enable: boolean }[]> }).data;
    expect(Object.keys(groups)).toEqual([
      'cloudConnectivity',
      'network',
      'protocol',
      'provisionService',
      'service',
    ]);
    expect(groups['service']).toContainEqual({
      available: false,
      displayName: 'SSH server',
      enable: true,
      id: 'sshserver',
    });
    await again.close();
  });
});

test('provisioning, health and the device answer', async () => {
  await withApi(async (api) => {
    expect(await api.call('GET', '/provisioning')).toMatchObject({
      status: 200,
      body: { data: { state: 'unconfigured' } },
    });
    expect((await api.call('PUT', '/provisioning/retry')).status).toBe(202);
    expect(api.retries).toBe(1);
    expect(await api.call('GET', '/health/ready')).toMatchObject({
      status: 503,
      body: { data: { ready: false, tpm: true, hub: 'unconfigured', accounts: true, audit: true } },
    });
    expect(await api.call('GET', '/device/general')).toMatchObject({
      status: 200,
      body: {
        data: {
          type: 'general',
          modelName: 'UC-8100A-ME-T-LX',
          serialNumber: 'TAICB1046771',
          firmwareVersion: '1.3.2',
          disk: [{ name: 'System', mount: '/' }],
        },
      },
    });
    api.token = '';
    expect(await api.call('GET', '/health')).toMatchObject({ status: 200, body: { data: { status: 'ok' } } });
    expect((await api.call('GET', '/health/ready')).status).toBe(401);
  });
});

test('without a TPM the endorsement key is empty and the method tpm is refused', async () => {
  await withApi(
    async (api) => {
      expect(await api.call('GET', azure)).toMatchObject({
        body: { data: { provisioning: { endorsementKey: '' } } },
      });
      const change = { source: 'dps', method: 'tpm', scopeId: '0ne1', enable: true };
      expect(await api.call('PATCH', azure, { provisioning: change })).toMatchObject({
        status: 400,
        body: { error: { message: 'invalid input, err: dps-tpm mode but this device is not support TPM' } },
      });
    },
    { withTpm: false },
  );
});

test('without a TPM the proof is refused as such however often it is asked for', async () => {
  await withApi(
    async (api) => {
      const challenge = { credentialBlob: 'AAAA', secret: 'AAAA' };
      for (let i = 0; i < 4; i += 1) {
        const answer = await api.call('POST', '/tpm/attestation', challenge);
        expect(answer.body).toMatchObject({ error: { id: 'API_TPM_ABSENT' } });
      }
    },
    { withTpm: false },
  );
});
