import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openTpm } from '../../../src/agent/tpm';
import { httpsCall } from '../../../src/common/http/request';
import { DEFAULT_PASSWORD } from '../../../src/protocol/api-types';
import { type TpmIdentity, possessionProof } from '../../../src/protocol/attestation';
import { makeCredential } from '../../../src/provision/tpm/make-credential';
import { parsePublicArea } from '../../../src/provision/tpm/public-area';
import { IDENTITY, testApi } from '../../support/api';
import { type Swtpm, startSwtpm } from '../../support/swtpm';
import { withTempFolder } from '../../support/temp';
import { authenticationKeyFor, expectNothingLeft } from '../../support/tpm-fixture';

let swtpm: Swtpm;
beforeAll(async () => {
  swtpm = await startSwtpm();
});
afterAll(async () => swtpm.stop());

test('a TPM proves over HTTPS that it holds its EK, before the password change, bound to the TLS key', async () => {
  await withTempFolder(async (folder) => {
    const tpm = await openTpm({ tcti: swtpm.tcti });
    const api = await testApi(folder, { tpm });
    try {
      const port = await api.listen();
      await api.login(DEFAULT_PASSWORD);
      const call = async <T>(
        method: 'GET' | 'POST',
        path: string,
        body?: object,
      ): Promise<[number, T, string]> => {
        const answer = await httpsCall({
          host: '127.0.0.1',
          port,
          method,
          path: `/api/v1${path}`,
          anyKey: true,
          timeoutMs: 30_000,
          headers: { Authorization: `Bearer ${api.token}` },
          ...(body === undefined ? {} : { body }),
        });
        return [answer.status, JSON.parse(answer.text) as T, answer.serverKey];
      };
      const [, { data: shown }, serverKey] = await call<{ data: TpmIdentity }>('GET', '/tpm');
      expect(shown.endorsementKey).toBe((await tpm.endorsementKey()).public.toString('base64'));

      const ek = parsePublicArea(Buffer.from(shown.endorsementKey, 'base64'));
      const attestationKey = parsePublicArea(Buffer.from(shown.attestationKey ?? '', 'base64'));
      const credential = randomBytes(32);
      const made = makeCredential(ek, attestationKey.name, credential);
      const challenge = {
        credentialBlob: made.credentialBlob.toString('base64'),
        secret: made.secret.toString('base64'),
      };
      const [status, { data }] = await call<{ data: { proof: string } }>(
        'POST',
        '/tpm/attestation',
        challenge,
      );
      expect(status).toBe(200);
      expect(data.proof).toBe(
        possessionProof(credential, serverKey, IDENTITY.serialNumber).toString('base64'),
      );

      const other = makeCredential(ek, randomBytes(34), credential);
      const [refused] = await call('POST', '/tpm/attestation', {
        credentialBlob: other.credentialBlob.toString('base64'),
        secret: other.secret.toString('base64'),
      });
      expect(refused).toBe(400);

      // A challenge of DPS is bound to the SRK: this route must never open it.
      const dps = await authenticationKeyFor(tpm, randomBytes(32));
      const idObjectSize = dps.readUInt16BE(0) + 2;
      const secretSize = dps.readUInt16BE(idObjectSize) + 2;
      const [opened] = await call('POST', '/tpm/attestation', {
        credentialBlob: dps.subarray(0, idObjectSize).toString('base64'),
        secret: dps.subarray(idObjectSize, idObjectSize + secretSize).toString('base64'),
      });
      expect(opened).toBe(400);
    } finally {
      await api.close();
      await tpm.close();
    }
    await expectNothingLeft(swtpm);
  });
});

test('EK certificates are shown with what they say, and judged by the configured folder', async () => {
  const certified = await startSwtpm({ ekCert: true });
  try {
    await withTempFolder(async (folder) => {
      const tpm = await openTpm({ tcti: certified.tcti });
      const shownWith = async (ekCaFolder?: string): Promise<Record<string, unknown>[]> => {
        const api = await testApi(join(folder, String(ekCaFolder?.length)), {
          tpm,
          ...(ekCaFolder === undefined ? {} : { ekCaFolder }),
        });
        try {
          await api.login(DEFAULT_PASSWORD);
          const { endorsementKeyCertificates } = await api.data<{
            endorsementKeyCertificates: Record<string, unknown>[];
          }>('GET', '/tpm');
          return endorsementKeyCertificates;
        } finally {
          await api.close();
        }
      };
      try {
        const unchecked = await shownWith();
        expect(
          unchecked.map(({ index, keyType, forThisEk, trusted }) => [index, keyType, forThisEk, trusted]),
        ).toEqual([
          ['0x01c00002', 'rsa', true, null],
          ['0x01c00016', 'ec', false, null],
        ]);
        expect(unchecked[0]).toMatchObject({
          issuer: expect.stringContaining('swtpm-localca') as string,
          manufacturer: expect.stringMatching(/^id:/) as string,
          validFrom: expect.stringMatching(/^20/) as string,
        });
        expect((await shownWith(certified.caFolder)).map(({ trusted }) => trusted)).toEqual([true, true]);
        const empty = join(folder, 'no-roots-in-here');
        await mkdir(empty);
        expect((await shownWith(empty))[0]).toMatchObject({
          trusted: false,
          trustProblem: expect.stringContaining('is not trusted') as string,
        });
        expect((await shownWith(join(folder, 'a-folder-that-is-not-there')))[0]).toMatchObject({
          trusted: false,
          trustProblem: expect.stringContaining('a-folder-that-is-not-there') as string,
        });
      } finally {
        await tpm.close();
      }
    });
  } finally {
    await certified.stop();
  }
});
