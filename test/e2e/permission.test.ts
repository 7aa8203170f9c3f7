import { chmod, chown, copyFile, mkdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Gateway, type GatewayOptions } from '../support/gateway';
import { distFolder } from '../support/process';
import { startSwtpm } from '../support/swtpm';
import { withTempFolder } from '../support/temp';
import { startTpmDevice } from '../support/tpm-device';
import { waitFor } from '../support/wait';

const NOBODY = 65_534;

/** Programs and Node.js where any user may run them: this tree may be root's alone. */
async function asNobody(folder: string): Promise<NonNullable<GatewayOptions['as']>> {
  const programs = join(folder, 'programs');
  await mkdir(programs);
  const names = ['tpe-agent.cjs', 'tpe-agent.code.cjs', 'tpe_tpm.node', 'tpe_system.node'];
  for (const name of names) await copyFile(join(distFolder, name), join(programs, name));
  const node = join(programs, 'node');
  await copyFile(process.execPath, node);
  for (const path of [folder, programs, node]) await chmod(path, 0o755);
  const identity = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups', '--inh-caps=-all'];
  return { command: ['setpriv', ...identity, '--no-new-privs'], place: { node, folder: programs } };
}

/** The agent as an unprivileged user: root becomes nobody, anybody else is one already. */
async function withUnprivilegedGateway(
  tcti: string,
  body: (gateway: Gateway, uid: number) => Promise<void>,
): Promise<void> {
  await withTempFolder(async (folder) => {
    const root = process.geteuid?.() === 0;
    const state = join(folder, 'state');
    await mkdir(state, { mode: 0o700 });
    if (root) await chown(state, NOBODY, NOBODY);
    const gateway = new Gateway({ folder, tcti, ...(root ? { as: await asNobody(folder) } : {}) });
    try {
      await body(gateway, root ? NOBODY : (process.geteuid?.() ?? 0));
    } finally {
      await gateway.stop();
    }
  });
}

test('a TPM device without permission is named, and used without a restart when the permission is given', async () => {
  const swtpm = await startSwtpm();
  const device = await startTpmDevice(swtpm);
  const path = device.tcti.slice('device:'.length);
  try {
    await chmod(path, 0o000);
    await withUnprivilegedGateway(device.tcti, async (gateway, uid) => {
      await gateway.start();
      expect((await stat(`/proc/${gateway.process!.pid}`)).uid).toBe(uid);
      await gateway.takeOver();
      expect(gateway.process!.stdout).toContain('TPM_NOT_PERMITTED');
      expect(gateway.process!.stdout).toContain(path);
      expect(gateway.process!.stdout).not.toContain('INTERNAL');
      const refused = await gateway.call('GET', '/tpm');
      expect(refused).toMatchObject({ status: 503 });
      expect(refused.text).toContain('TPM_NOT_PERMITTED');

      if (process.geteuid?.() === 0) await chown(path, uid, uid);
      await chmod(path, 0o600);
      const ek = await waitFor('the endorsement key', async () => {
        const { status, text } = await gateway.call('GET', '/tpm');
        return (
          status === 200 && (JSON.parse(text) as { data: { endorsementKey: string } }).data.endorsementKey
        );
      });
      expect(Buffer.from(ek, 'base64').length).toBeGreaterThan(256);
    });
    expect(await swtpm.transientHandles()).toEqual([]);
    expect(await swtpm.sessions()).toEqual([]);
  } finally {
    await device.stop();
    await swtpm.stop();
  }
});
