import { createHmac, randomBytes } from 'node:crypto';
import type { ManagedTpm, WrappedKey } from '../../src/agent/tpm';
import { NativeBackedTpm } from '../../src/agent/tpm/native-tpm';
import { type Swtpm, startSwtpm } from '../support/swtpm';
import { authenticationKeyFor, expectNothingLeft, withTpm } from '../support/tpm-fixture';
import { RH, TPM2_CC, authPassword, hierarchyCommand } from '../support/tpm-wire';
import { occupy, tpm2 } from '../support/tpm2-tools';

const EK_HANDLE = 0x81010001;
const SRK_HANDLE = 0x81000001;
const IDENTITY_HANDLE = 0x81000100;
const NONE = Buffer.alloc(0);
const data = Buffer.from('data');
const secret = randomBytes(32);
const expected = createHmac('sha256', secret).update(data).digest();

let swtpm: Swtpm;
beforeEach(async () => {
  swtpm = await startSwtpm();
});
afterEach(async () => {
  await expectNothingLeft(swtpm);
  await swtpm.stop();
});

async function send(code: number, handle: number, auth: Buffer, parameters: Buffer): Promise<number> {
  const answer = await swtpm.command(hierarchyCommand(code, handle, authPassword(auth), parameters));
  return answer.readUInt32BE(6);
}

async function changeAuth(handle: number, from: Buffer, to: Buffer): Promise<void> {
  const size = Buffer.alloc(2);
  size.writeUInt16BE(to.length);
  expect(await send(TPM2_CC.HierarchyChangeAuth, handle, from, Buffer.concat([size, to]))).toBe(0);
}

async function clear(): Promise<void> {
  expect(await send(TPM2_CC.Clear, RH.lockout, NONE, NONE)).toBe(0);
}

async function newKey(tpm: ManagedTpm): Promise<WrappedKey> {
  return await tpm.activateIdentityKey(await authenticationKeyFor(tpm, secret));
}

test('a new owner authorization is asked for, the key stays, and it works once given', async () => {
  const owner = Buffer.from('new owner');
  await withTpm(swtpm, async (tpm) => {
    const srk = await tpm.storageRootKey();
    const key = await newKey(tpm);
    await tpm.loadIdentityKey(key);
    await changeAuth(RH.owner, NONE, owner);
    expect(await tpm.sign(data)).toEqual(expected);
    for (const call of [tpm.storageRootKey(), tpm.loadIdentityKey(key), tpm.signWith(key, data)]) {
      await expect(call).rejects.toMatchObject({ code: 'TPM_OWNER_AUTHORIZATION', retryable: false });
    }
    expect((await tpm.info()).ownerAuthSet).toBe(true);
    await tpm.setAuthorizations({ owner: Buffer.from('wrong') });
    await expect(tpm.storageRootKey()).rejects.toMatchObject({ code: 'TPM_OWNER_AUTHORIZATION' });
    await tpm.setAuthorizations({ owner });
    expect((await tpm.storageRootKey()).name).toEqual(srk.name);
    await tpm.loadIdentityKey(key);
    expect(await tpm.sign(data)).toEqual(expected);
  });
  await withTpm(swtpm, async (tpm) => await newKey(tpm), { ownerAuth: owner });
});

test('an authorization that its giver wipes stays valid, also when the TPM is opened after that', async () => {
  const owner = Buffer.from('owner');
  const endorsement = Buffer.from('endorsement');
  await changeAuth(RH.owner, NONE, owner);
  await changeAuth(RH.endorsement, NONE, endorsement);
  const options = { tcti: swtpm.tcti, resourceManaged: false };
  const auth = { ownerAuth: Buffer.from(owner), endorsementAuth: Buffer.from(endorsement) };
  // The addon's object is made at the first call, and again after a TPM that stayed silent.
  const tpm = new NativeBackedTpm({ ...options, ...auth });
  for (const given of Object.values(auth)) given.fill(0);
  try {
    expect(await tpm.signWith(await newKey(tpm), data)).toEqual(expected);
  } finally {
    await tpm.close();
  }
});

test('an endorsement authorization is asked for and used', async () => {
  const endorsement = Buffer.from('endorsement');
  const ek = await withTpm(swtpm, async (tpm) => await tpm.endorsementKey());
  await changeAuth(RH.endorsement, NONE, endorsement);
  await withTpm(swtpm, async (tpm) => {
    await expect(tpm.endorsementKey()).rejects.toMatchObject({ code: 'TPM_ENDORSEMENT_AUTHORIZATION' });
    expect((await tpm.info()).endorsementAuthSet).toBe(true);
    await tpm.setAuthorizations({ endorsement });
    expect((await tpm.endorsementKey()).name).toEqual(ek.name);
    expect(await tpm.signWith(await newKey(tpm), data)).toEqual(expected);
  });
});

test('a dictionary-attack lockout is shown and stops neither activation nor signing', async () => {
  // Zero tries allowed: every object without noDA is locked out at once.
  const parameters = Buffer.alloc(12);
  parameters.writeUInt32BE(1000, 4);
  parameters.writeUInt32BE(1000, 8);
  expect(await send(TPM2_CC.DictionaryAttackParameters, RH.lockout, NONE, parameters)).toBe(0);
  await withTpm(swtpm, async (tpm) => {
    expect((await tpm.info()).lockout).toMatchObject({ active: true, maxTries: 0 });
    const key = await newKey(tpm);
    await tpm.loadIdentityKey(key);
    expect(await tpm.sign(data)).toEqual(expected);
    await tpm.attestationKey();
  });
});

test('power cuts after use do not count as failed authorizations', async () => {
  const key = await withTpm(swtpm, newKey);
  for (let i = 0; i < 5; i++) {
    await withTpm(swtpm, async (tpm) => {
      await tpm.loadIdentityKey(key);
      expect(await tpm.sign(data)).toEqual(expected);
      await swtpm.restart();
    });
  }
  const info = await withTpm(swtpm, async (tpm) => await tpm.info());
  expect(info.lockout).toMatchObject({ active: false, counter: 0 });
});

test.each(['ecc', 'rsa3072'])(
  'somebody’s %s key at 0x81000001 is left alone and the SRK derived',
  async (algorithm) => {
    const derived = await withTpm(swtpm, async (tpm) => await tpm.storageRootKey());
    await occupy(swtpm, 'o', algorithm, SRK_HANDLE);
    await withTpm(swtpm, async (tpm) => {
      expect((await tpm.storageRootKey()).name).toEqual(derived.name);
      expect(await tpm.signWith(await newKey(tpm), data)).toEqual(expected);
    });
    expect(await swtpm.persistentHandles()).toEqual([SRK_HANDLE]);
  },
);

test('a storage key at 0x81000001 without noDA is not used', async () => {
  await occupy(swtpm, 'o', 'rsa2048', SRK_HANDLE);
  const area = await tpm2(swtpm, 'readpublic', '-c', '0x81000001');
  expect(area).toContain('restricted');
  expect(area).not.toContain('noda');
  await withTpm(swtpm, async (tpm) => {
    const stranger = /name: ([0-9a-f]+)/.exec(area)?.[1];
    expect((await tpm.storageRootKey()).name.toString('hex')).not.toBe(stranger);
  });
});

test('a fitting SRK that appears at 0x81000001 is used, and a key under the derived one still loads', async () => {
  const key = await withTpm(swtpm, newKey);
  const attributes = 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|decrypt';
  await tpm2(
    swtpm,
    'createprimary',
    '-Q',
    '-C',
    'o',
    '-G',
    'rsa2048',
    '-a',
    attributes,
    '-c',
    `${swtpm.stateDir}/srk`,
  );
  await tpm2(swtpm, 'flushcontext', '-t');
  await tpm2(swtpm, 'evictcontrol', '-Q', '-C', 'o', '-c', `${swtpm.stateDir}/srk`, '0x81000001');
  await tpm2(swtpm, 'flushcontext', '-t');
  const area = await tpm2(swtpm, 'readpublic', '-c', '0x81000001');
  await withTpm(swtpm, async (tpm) => {
    const srk = await tpm.storageRootKey();
    expect(area).toContain(srk.name.toString('hex'));
    expect(await tpm.signWith(await newKey(tpm), data)).toEqual(expected);
    expect(await tpm.signWith(key, data)).toEqual(expected);
  });
});

test.each(['ecc', 'rsa3072'])(
  'somebody’s %s key at 0x81010001 is named, and ignored once the EK is on record',
  async (algorithm) => {
    const ek = await withTpm(swtpm, async (tpm) => await tpm.endorsementKey());
    await occupy(swtpm, 'e', algorithm, EK_HANDLE);
    await withTpm(swtpm, async (tpm) => {
      await expect(tpm.endorsementKey()).rejects.toMatchObject({ code: 'TPM_EK_UNSUITABLE' });
    });
    await withTpm(
      swtpm,
      async (tpm) => {
        expect((await tpm.endorsementKey()).name).toEqual(ek.name);
        expect(await tpm.signWith(await newKey(tpm), data)).toEqual(expected);
      },
      { expectedEkName: ek.name },
    );
  },
);

test('the EK of tpm2_createek made persistent is the one that the template gives', async () => {
  const derived = await withTpm(swtpm, async (tpm) => await tpm.endorsementKey());
  await tpm2(swtpm, 'createek', '-Q', '-G', 'rsa', '-c', '0x81010001');
  await tpm2(swtpm, 'flushcontext', '-t');
  await withTpm(swtpm, async (tpm) => {
    const persistent = await tpm.endorsementKey();
    expect(persistent).toEqual({ ...derived, persistent: true, template: undefined });
    expect(await tpm.signWith(await newKey(tpm), data)).toEqual(expected);
  });
});

test('after TPM2_Clear the recorded EK is derived again, by whichever template gave it', async () => {
  const legacy = await withTpm(swtpm, async (tpm) => await tpm.endorsementKey(), {
    ekTemplate: 'azure-legacy',
  });
  await withTpm(
    swtpm,
    async (tpm) => {
      const key = await newKey(tpm);
      await clear();
      expect(await tpm.endorsementKey()).toEqual(legacy);
      await expect(tpm.loadIdentityKey(key)).rejects.toMatchObject({ code: 'TPM_KEY_REFUSED' });
      expect(await tpm.signWith(await newKey(tpm), data)).toEqual(expected);
    },
    { expectedEkName: legacy.name },
  );
});

test('EK and SRK are made persistent once, with the owner authorization where one is set, and stay what they were', async () => {
  const owner = Buffer.from('owner');
  await changeAuth(RH.owner, NONE, owner);
  await withTpm(swtpm, async (tpm) => {
    const ek = await tpm.endorsementKey();
    await expect(tpm.persistPrimaries()).rejects.toMatchObject({ code: 'TPM_OWNER_AUTHORIZATION' });
    await tpm.setAuthorizations({ owner });
    const srk = await tpm.storageRootKey();
    const key = await newKey(tpm);
    await tpm.persistPrimaries();
    await tpm.persistPrimaries();
    expect(await swtpm.persistentHandles()).toEqual([SRK_HANDLE, EK_HANDLE]);
    expect(await tpm.endorsementKey()).toMatchObject({ name: ek.name, persistent: true });
    expect(await tpm.storageRootKey()).toEqual(srk);
    expect(await tpm.signWith(key, data)).toEqual(expected);
  });
});

test("somebody else's objects stay where EK and SRK would be kept", async () => {
  await occupy(swtpm, 'o', 'ecc', SRK_HANDLE);
  await withTpm(swtpm, async (tpm) => {
    await tpm.persistPrimaries();
    expect(await swtpm.persistentHandles()).toEqual([SRK_HANDLE, EK_HANDLE]);
    expect(await tpm.signWith(await newKey(tpm), data)).toEqual(expected);
  });
  await clear();
  await occupy(swtpm, 'e', 'ecc', EK_HANDLE);
  await withTpm(swtpm, async (tpm) => {
    await expect(tpm.persistPrimaries()).rejects.toMatchObject({ code: 'TPM_EK_UNSUITABLE' });
  });
  expect(await swtpm.persistentHandles()).toEqual([EK_HANDLE]);
});

test('a live key does not outlive TPM2_Clear', async () => {
  await withTpm(swtpm, async (tpm) => {
    await tpm.loadIdentityKey(await newKey(tpm));
    await clear();
    await expect(tpm.sign(data)).rejects.toMatchObject({ code: 'TPM_KEY_REFUSED' });
    await tpm.loadIdentityKey(await newKey(tpm));
    expect(await tpm.sign(data)).toEqual(expected);
  });
});

test('another TPM than the recorded one is an alarm and gets no key', async () => {
  const other = await startSwtpm();
  try {
    const recorded = await withTpm(other, async (tpm) => await tpm.endorsementKey());
    await withTpm(swtpm, async (tpm) => {
      const blob = await authenticationKeyFor(tpm, secret);
      await tpm.expectEndorsementKey(recorded.name);
      for (const call of [tpm.endorsementKey(), tpm.activateIdentityKey(blob)]) {
        await expect(call).rejects.toMatchObject({ code: 'TPM_EK_CHANGED', retryable: false });
      }
    });
  } finally {
    await other.stop();
  }
});

/** Defines NV indices of `size` bytes until the TPM has no room for another. */
async function defineIndicesUntilFull(size: number): Promise<void> {
  for (let count = 0; ; count++) {
    // TPM2B_AUTH empty, then TPM2B_NV_PUBLIC: index, SHA-256, OWNERWRITE and OWNERREAD, no policy, size.
    const area = Buffer.from([0, 0, 0, 14, 0, 0, 0, 0, 0, 0x0b, 0, 0x02, 0, 0x02, 0, 0, 0, 0]);
    area.writeUInt32BE(0x01000000 + (size << 8) + count, 4);
    area.writeUInt16BE(size, 16);
    const code = await send(TPM2_CC.NV_DefineSpace, RH.owner, NONE, area);
    if (code === 0) continue;
    expect(code).toBe(0x14b);
    return;
  }
}

describe('identityKey = "persistent"', () => {
  const options = { identityKey: 'persistent' } as const;

  test('the key is kept at 0x81000100, survives a restart, and is replaced without an orphan', async () => {
    const key = await withTpm(
      swtpm,
      async (tpm) => {
        const made = await newKey(tpm);
        await tpm.loadIdentityKey(made);
        expect(await tpm.sign(data)).toEqual(expected);
        await expectNothingLeft(swtpm);
        return made;
      },
      options,
    );
    expect(await swtpm.persistentHandles()).toEqual([IDENTITY_HANDLE]);
    await swtpm.restart();
    await withTpm(
      swtpm,
      async (tpm) => {
        await tpm.loadIdentityKey(key);
        expect(await tpm.sign(data)).toEqual(expected);
        const next = randomBytes(32);
        await tpm.loadIdentityKey(await tpm.activateIdentityKey(await authenticationKeyFor(tpm, next)));
        expect(await tpm.sign(data)).toEqual(createHmac('sha256', next).update(data).digest());
        expect(await swtpm.persistentHandles()).toEqual([IDENTITY_HANDLE]);
      },
      options,
    );
  });

  test('a full NV is named, and the wrapped key still works', async () => {
    for (const size of [2048, 64, 8]) await defineIndicesUntilFull(size);
    // The TPM keeps some room for persistent objects.
    const context = `${swtpm.stateDir}/ecc`;
    await tpm2(swtpm, 'createprimary', '-Q', '-C', 'o', '-G', 'ecc', '-c', context);
    await tpm2(swtpm, 'flushcontext', '-t');
    for (let handle = 0x81000200, room = true; room; handle++) {
      room = await tpm2(
        swtpm,
        'evictcontrol',
        '-Q',
        '-C',
        'o',
        '-c',
        context,
        `0x${handle.toString(16)}`,
      ).then(
        () => true,
        () => false,
      );
      await tpm2(swtpm, 'flushcontext', '-t');
    }
    const key = await withTpm(
      swtpm,
      async (tpm) => {
        const made = await newKey(tpm);
        await expect(tpm.loadIdentityKey(made)).rejects.toMatchObject({ code: 'TPM_NV_FULL', status: 507 });
        return made;
      },
      options,
    );
    await withTpm(swtpm, async (tpm) => {
      await tpm.loadIdentityKey(key);
      expect(await tpm.sign(data)).toEqual(expected);
    });
  });

  test('an owner authorization is asked for', async () => {
    await withTpm(
      swtpm,
      async (tpm) => {
        const key = await newKey(tpm);
        await changeAuth(RH.owner, NONE, Buffer.from('owner'));
        await expect(tpm.loadIdentityKey(key)).rejects.toMatchObject({ code: 'TPM_OWNER_AUTHORIZATION' });
        await tpm.setAuthorizations({ owner: Buffer.from('owner') });
        await tpm.loadIdentityKey(key);
        expect(await tpm.sign(data)).toEqual(expected);
      },
      options,
    );
  });
});
