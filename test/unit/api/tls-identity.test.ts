import { X509Certificate } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadOrCreateTlsIdentity } from '../../../src/agent/api/tls-identity';
import { IDENTITY } from '../../support/api';
import { withTempFolder } from '../../support/temp';

test('the certificate names the serial number and every address and never expires', async () => {
  await withTempFolder(async (folder) => {
    const { cert, key } = await loadOrCreateTlsIdentity(folder, IDENTITY, ['192.168.4.127', 'fe80::1']);
    const certificate = new X509Certificate(cert);
    expect(certificate.subject).toContain('CN=TAICB1046771');
    expect(certificate.checkIP('192.168.4.127')).toBe('192.168.4.127');
    expect(certificate.checkIP('fe80::1')).toBeDefined();
    expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
    expect(certificate.checkHost('localhost')).toBe('localhost');
    expect(new Date(certificate.validTo).toISOString()).toBe('9999-12-31T23:59:59.000Z');
    expect(certificate.publicKey.asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' });
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(key).toContain('PRIVATE KEY');
    expect((await stat(join(folder, 'tls-key.pem'))).mode & 0o777).toBe(0o600);
  });
});

test('a new address or a damaged certificate makes a new certificate with the same key', async () => {
  await withTempFolder(async (folder) => {
    const first = await loadOrCreateTlsIdentity(folder, IDENTITY, ['192.168.4.127']);
    const same = await loadOrCreateTlsIdentity(folder, IDENTITY, ['192.168.4.127']);
    expect(same).toEqual(first);
    const moved = await loadOrCreateTlsIdentity(folder, IDENTITY, ['10.0.0.7']);
    expect(moved.cert).not.toBe(first.cert);
    expect(moved.spkiSha256).toBe(first.spkiSha256);
    await writeFile(join(folder, 'tls-cert.pem'), moved.cert.slice(0, 200));
    const mended = await loadOrCreateTlsIdentity(folder, IDENTITY, ['10.0.0.7']);
    expect(mended.spkiSha256).toBe(first.spkiSha256);
    expect(mended.key).toBe(first.key);
  });
});

test('a damaged key is not replaced silently: clients have pinned it', async () => {
  await withTempFolder(async (folder) => {
    const { key } = await loadOrCreateTlsIdentity(folder, IDENTITY, []);
    const path = join(folder, 'tls-key.pem');
    await writeFile(path, key.slice(0, 60));
    await expect(loadOrCreateTlsIdentity(folder, IDENTITY, [])).rejects.toMatchObject({
      code: 'API_TLS_KEY_DAMAGED',
    });
    expect(await readFile(path, 'utf8')).toBe(key.slice(0, 60));
  });
});
