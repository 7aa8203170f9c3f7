import { createHmac } from 'node:crypto';
import { AuthenticationType, type TransportConfig } from 'azure-iot-common';
import { TpmTokenProvider, type TokenProviderOptions } from '../../../src/agent/hub/token-provider';
import { createLogger } from '../../../src/common/logger';
import { TrustedTime } from '../../../src/common/trusted-time';
import { FakeClock } from '../../support/fake-clock';
import { settle } from '../../support/simulated-cloud';

const MINUTE = 60_000;
const key = Buffer.from('hub key');

function make(overrides: Partial<TokenProviderOptions> = {}) {
  const clock = new FakeClock();
  const time = new TrustedTime(clock);
  let signatures = 0;
  const provider = new TpmTokenProvider(AuthenticationType.Token, {
    hub: 'hub-a.azure-devices.net',
    deviceId: 'gw 1',
    clock,
    time,
    logger: createLogger('test', 'silent'),
    random: () => 0.5,
    sign: async (data) => {
      signatures += 1;
      return Promise.resolve(createHmac('sha256', key).update(data).digest());
    },
    ...overrides,
  });
  const renewed: TransportConfig[] = [];
  provider.on('newTokenAvailable', (config) => renewed.push(config));
  return { clock, time, provider, renewed, signatures: () => signatures };
}

const expiryOf = (config: TransportConfig): number =>
  Number(/&se=(\d+)/.exec(String(config.sharedAccessSignature))![1]);

test('a token names hub and device, is signed over the encoded audience, and lives an hour', async () => {
  const { clock, provider } = make();
  const config = await provider.getDeviceCredentials();
  const [, audience, signature] = /^SharedAccessSignature sr=([^&]+)&sig=([^&]+)&se=\d+$/.exec(
    String(config.sharedAccessSignature),
  )!;
  expect(decodeURIComponent(audience!)).toBe('hub-a.azure-devices.net/devices/gw 1');
  expect(expiryOf(config)).toBe(Math.floor(clock.now() / 1000) + 3600);
  const expected = createHmac('sha256', key)
    .update(`${audience}\n${expiryOf(config)}`)
    .digest('base64');
  expect(decodeURIComponent(signature!)).toBe(expected);
  provider.stop();
});

test('asked twice it signs once', async () => {
  const { provider, signatures } = make();
  await provider.getDeviceCredentials();
  await new Promise<void>((resolve, reject) =>
    provider.getDeviceCredentials((error, config) =>
      config ? resolve() : reject(error ?? new Error('none')),
    ),
  );
  expect(signatures()).toBe(1);
  provider.stop();
});

test('it is renewed before it expires, again and again, also over a jump of the clock', async () => {
  const { clock, provider, renewed } = make();
  await provider.getDeviceCredentials();
  clock.advance(47 * MINUTE);
  await settle();
  expect(renewed).toHaveLength(0);
  clock.advance(MINUTE);
  await settle();
  expect(renewed).toHaveLength(1);
  clock.jump(-60 * MINUTE);
  clock.advance(48 * MINUTE);
  await settle();
  expect(renewed).toHaveLength(2);
  provider.stop();
  expect(clock.timers).toBe(0);
});

test('the expiry goes by the time that DPS told when the clock is an hour behind', async () => {
  const { clock, time, provider } = make();
  const truth = clock.now() + 60 * MINUTE;
  time.observe(truth);
  expect(expiryOf(await provider.getDeviceCredentials())).toBe(Math.floor(truth / 1000) + 3600);
  provider.stop();
});

test('a TPM that fails at renewal is asked again until it signs; nothing crashes', async () => {
  let failures = 0;
  const { clock, provider, renewed } = make({
    sign: async (data) => {
      if (clock.monotonic() > 10 * MINUTE && failures < 3) {
        failures += 1;
        throw new Error('the TPM is busy');
      }
      return Promise.resolve(createHmac('sha256', key).update(data).digest());
    },
  });
  await provider.getDeviceCredentials();
  for (let i = 0; i < 120; i += 1) {
    clock.advance(MINUTE / 2);
    await settle();
    if (renewed.length > 0) break;
  }
  expect(failures).toBe(3);
  expect(renewed).toHaveLength(1);
  provider.stop();
});

test('a TPM that fails at the first token rejects with what to do', async () => {
  const { clock, provider } = make({ sign: async () => Promise.reject(new Error('the TPM is gone')) });
  await expect(provider.getDeviceCredentials()).rejects.toMatchObject({ code: 'HUB_TOKEN_FAILED' });
  expect(clock.timers).toBe(0);
});

test('after stop nothing is renewed, also when a signature was under way', async () => {
  let release = (): void => undefined;
  const { clock, provider, renewed } = make({
    sign: async (data) => {
      if (clock.monotonic() > MINUTE) await new Promise<void>((resolve) => (release = resolve));
      return createHmac('sha256', key).update(data).digest();
    },
  });
  await provider.getDeviceCredentials();
  clock.advance(50 * MINUTE);
  await settle();
  provider.stop();
  release();
  await settle();
  expect(renewed).toHaveLength(0);
  expect(clock.timers).toBe(0);
});
