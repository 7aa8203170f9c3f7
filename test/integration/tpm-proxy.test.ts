import { createHmac, randomBytes } from 'node:crypto';
import { type ManagedTpm, type TpmOptions, type WrappedKey, openTpm } from '../../src/agent/tpm';
import { isTpeError } from '../../src/common/errors/tpe-error';
import { type Swtpm, startSwtpm } from '../support/swtpm';
import { authenticationKeyFor, expectNothingLeft } from '../support/tpm-fixture';
import { type TpmProxy, responseWith, startTpmProxy } from '../support/tpm-proxy';

const CC = {
  HMAC: 0x155,
  ActivateCredential: 0x147,
  Import: 0x156,
  Load: 0x157,
  CreatePrimary: 0x131,
  StartAuthSession: 0x176,
  PolicySecret: 0x151,
  FlushContext: 0x165,
  GetCapability: 0x17a,
  GetRandom: 0x17b,
} as const;
const RC = { RETRY: 0x922, YIELDED: 0x908, TESTING: 0x90a, NV_RATE: 0x920, LOCKOUT: 0x921 } as const;

let swtpm: Swtpm;
let proxy: TpmProxy;
beforeAll(async () => {
  swtpm = await startSwtpm();
});
afterAll(async () => await swtpm.stop());
beforeEach(async () => {
  proxy = await startTpmProxy(swtpm);
});
afterEach(async () => {
  await proxy.stop();
  await expectNothingLeft(swtpm);
});

const secret = randomBytes(32);
const data = Buffer.from('data');
const expected = createHmac('sha256', secret).update(data).digest();

async function throughProxy(
  use: (tpm: ManagedTpm, key: WrappedKey) => Promise<void>,
  options: TpmOptions = {},
): Promise<void> {
  const tpm = await openTpm({ tcti: proxy.tcti, ...options });
  try {
    const key = await tpm.activateIdentityKey(await authenticationKeyFor(tpm, secret));
    await use(tpm, key);
  } finally {
    proxy.onResponse = () => undefined;
    proxy.onCommand = () => undefined;
    await tpm.close();
  }
}

/** Answers the next `times` commands of this code with `rc` instead of asking the TPM. */
function answer(code: number, rc: number, times: number): { count: number } {
  const seen = { count: 0 };
  proxy.onCommand = (asked) => {
    if (asked !== code || seen.count >= times) return undefined;
    seen.count += 1;
    return responseWith(rc);
  };
  return seen;
}

test.each(['RETRY', 'YIELDED', 'TESTING', 'NV_RATE'] as const)(
  'a TPM that answers %s is asked again until it does what it was asked',
  async (name) => {
    await throughProxy(async (tpm, key) => {
      const seen = answer(CC.HMAC, RC[name], 7);
      expect(await tpm.signWith(key, data)).toEqual(expected);
      expect(seen.count).toBe(7);
      answer(CC.ActivateCredential, RC[name], 2);
      await tpm.activateIdentityKey(await authenticationKeyFor(tpm, secret));
      answer(CC.CreatePrimary, RC[name], 2);
      await tpm.storageRootKey();
    });
  },
);

test.each(['RETRY', 'TESTING', 'NV_RATE'] as const)(
  'a TPM that stays %s is reported busy after a bounded time',
  async (name) => {
    await throughProxy(
      async (tpm, key) => {
        answer(CC.HMAC, RC[name], Infinity);
        await expect(tpm.signWith(key, data)).rejects.toMatchObject({
          code: 'TPM_BUSY',
          retryable: true,
          details: { command: 'TPM2_HMAC' },
        });
        proxy.onCommand = () => undefined;
        expect(await tpm.signWith(key, data)).toEqual(expected);
      },
      { busyTimeoutMs: 200 },
    );
  },
);

test('lockout is reported at once and not asked again', async () => {
  await throughProxy(async (tpm, key) => {
    const seen = answer(CC.Load, RC.LOCKOUT, Infinity);
    await expect(tpm.signWith(key, data)).rejects.toMatchObject({ code: 'TPM_LOCKOUT', retryable: true });
    expect(seen.count).toBe(1);
  });
});

const damages: Record<string, (response: Buffer) => Buffer> = {
  'cut in its header': (response) => response.subarray(0, 7),
  'cut short': (response) => response.subarray(0, response.length - 1),
  'without its parameters': (response) => {
    const short = Buffer.from(response.subarray(0, 10));
    short.writeUInt32BE(10, 2);
    return short;
  },
  'longer than its parameters': (response) => {
    const long = Buffer.concat([response, Buffer.alloc(64, 0xff)]);
    long.writeUInt32BE(long.length, 2);
    return long;
  },
  'announced as 1 MiB': (response) => {
    const huge = Buffer.from(response);
    huge.writeUInt32BE(1 << 20, 2);
    return huge;
  },
  'announced as 0 bytes': (response) => {
    const none = Buffer.from(response);
    none.writeUInt32BE(0, 2);
    return none;
  },
  'with a wrong tag': (response) => {
    const wrong = Buffer.from(response);
    wrong.writeUInt16BE(0x1234, 0);
    return wrong;
  },
  'full of 0xFF after its header': (response) => {
    const noise = Buffer.from(response);
    noise.fill(0xff, 10);
    return noise;
  },
};

type Use = (tpm: ManagedTpm, key: WrappedKey, blob: Buffer) => Promise<unknown>;
const activates: Use = async (tpm, _key, blob) => await tpm.activateIdentityKey(blob);
const signs: Use = async (tpm, key) => await tpm.signWith(key, data);
const users: [keyof typeof CC, Use][] = [
  ['HMAC', signs],
  ['Load', signs],
  ['StartAuthSession', activates],
  ['PolicySecret', activates],
  ['ActivateCredential', activates],
  ['Import', activates],
  ['CreatePrimary', async (tpm) => await tpm.storageRootKey()],
  ['GetCapability', async (tpm) => await tpm.info()],
  ['GetRandom', async (tpm) => await tpm.random(16)],
];

test.each(Object.keys(damages))(
  'a response %s is an error with the name of its command, and the TPM is used again afterwards',
  async (damage) => {
    await throughProxy(async (tpm, key) => {
      const blob = await authenticationKeyFor(tpm, secret);
      for (const [name, use] of users) {
        let damaged = 0;
        proxy.onResponse = (asked, response) => {
          if (asked !== CC[name] || response.length <= 10) return undefined;
          damaged += 1;
          return damages[damage]!(response);
        };
        const failure: unknown = await use(tpm, key, blob).then(
          () => 'no failure',
          (error: unknown) => error,
        );
        expect([name, damaged > 0, isTpeError(failure) && failure.details['command']]).toEqual([
          name,
          true,
          expect.stringContaining(`TPM2_${name}`),
        ]);
      }
      proxy.onResponse = () => undefined;
      expect(await tpm.signWith(key, data)).toEqual(expected);
      await tpm.activateIdentityKey(blob);
    });
  },
);

/** A true answer to GetCapability for a list of handles: more = YES, these handles. */
function handleList(...handles: number[]): Buffer {
  const list = Buffer.alloc(19 + 4 * handles.length);
  list.writeUInt16BE(0x8001, 0);
  list.writeUInt32BE(list.length, 2);
  list.writeUInt8(1, 10);
  list.writeUInt32BE(1, 11);
  list.writeUInt32BE(handles.length, 15);
  handles.forEach((handle, i) => list.writeUInt32BE(handle, 19 + 4 * i));
  return list;
}

test.each<[string, (asked: number) => Buffer]>([
  ['goes round in circles', () => handleList(0x81000001)],
  ['never ends', (asked) => handleList(0x81010001 + asked)],
  [
    'is one of algorithms',
    () => {
      const list = handleList();
      list.writeUInt32BE(0, 11);
      return list;
    },
  ],
])('a list of handles that %s is an error, not a loop', async (_what, list) => {
  await throughProxy(async (tpm, key) => {
    let count = 0;
    proxy.onCommand = (asked) => (asked === CC.GetCapability ? list(count++) : undefined);
    await expect(tpm.endorsementKey()).rejects.toMatchObject({
      code: 'TPM_RESPONSE_MALFORMED',
      details: { command: 'TPM2_GetCapability' },
    });
    proxy.onCommand = () => undefined;
    expect(await tpm.signWith(key, data)).toEqual(expected);
  });
});

test('a connection that closes instead of answering is opened again, and the call succeeds', async () => {
  await throughProxy(async (tpm, key) => {
    await tpm.loadIdentityKey(key);
    let hangUps = 1;
    proxy.onCommand = (asked) => (asked === CC.HMAC && hangUps-- > 0 ? 'hangUp' : undefined);
    expect(await tpm.sign(data)).toEqual(expected);
  });
});

test('a flush that fails leaves nothing behind after the next call', async () => {
  await throughProxy(async (tpm, key) => {
    let failures = 2;
    proxy.onCommand = (asked) =>
      asked === CC.FlushContext && failures-- > 0 ? responseWith(0x101) : undefined;
    expect(await tpm.signWith(key, data)).toEqual(expected);
    proxy.onCommand = () => undefined;
    expect(await tpm.signWith(key, data)).toEqual(expected);
    await expectNothingLeft(swtpm);
  });
});

test('objects that another program left are flushed when they leave no room', async () => {
  await throughProxy(async (tpm, key) => {
    let full = 1;
    proxy.onCommand = (asked) => (asked === CC.Load && full-- > 0 ? responseWith(0x902) : undefined);
    expect(await tpm.signWith(key, data)).toEqual(expected);
  });
});

test('a simulator that never answers is given up after its deadline, and the next call gets a new connection', async () => {
  await throughProxy(
    async (tpm, key) => {
      await tpm.loadIdentityKey(key);
      proxy.onCommand = (asked) => (asked === CC.HMAC ? 'silent' : undefined);
      const calls = await Promise.allSettled([tpm.sign(data), tpm.sign(data), tpm.info()]);
      expect(
        calls.map((call) => call.status === 'rejected' && (call.reason as { code: string }).code),
      ).toEqual(['TPM_TIMEOUT', 'TPM_TIMEOUT', 'TPM_TIMEOUT']);
      proxy.onCommand = () => undefined;
      proxy.dropConnections();
      expect(await tpm.sign(data)).toEqual(expected);
    },
    { commandTimeoutMs: 300 },
  );
});
