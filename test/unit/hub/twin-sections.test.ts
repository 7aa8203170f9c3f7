import { readHealth } from '../../../src/agent/hub/health';
import { twinSections } from '../../../src/agent/hub/twin-sections';

const answers: Record<string, unknown> = {
  '/device/general': {
    serialNumber: 'TAICB1046771',
    modelName: 'UC-8112A',
    disk: [{ free: 1 }],
    lastRebootTime: 'x',
  },
  '/system/discovery': { enable: true },
  '/system/sshserver': { enable: false, port: 22 },
  '/system/services': {
    service: [{ id: 'sshserver', enable: false, available: true }],
    network: [{ id: 'ntp', enable: true, available: false }],
  },
};

test('the sections are what the API answers, without what changes all the time', async () => {
  const sections = await twinSections(
    async ({ path }) =>
      Promise.resolve(
        path in answers ? { status: 200, payload: { data: answers[path] } } : { status: 404, payload: {} },
      ),
    { version: '1.2.3' },
  );
  expect(sections).toEqual({
    general: { serialNumber: 'TAICB1046771', modelName: 'UC-8112A' },
    discovery: { enable: true },
    sshserver: { enable: false, port: 22 },
    services: { sshserver: { enable: false, available: true }, ntp: { enable: true, available: false } },
    agent: { version: '1.2.3' },
  });
});

test('answers of wrong shape leave nothing behind that a twin would refuse', async () => {
  for (const payload of [undefined, null, 'text', [], { data: null }, { data: 'text' }]) {
    const sections = await twinSections(async () => Promise.resolve({ status: 200, payload }), {});
    expect(() => JSON.stringify(sections)).not.toThrow();
    expect(sections['agent']).toEqual({});
  }
});

test('health has figures that can be true', () => {
  const health = readHealth();
  expect(health.agentMemory).toBeGreaterThan(1_000_000);
  expect(health.memoryFree).toBeLessThanOrEqual(health.memoryTotal);
  expect(health.uptimeSec).toBeGreaterThanOrEqual(health.agentUptimeSec);
});
