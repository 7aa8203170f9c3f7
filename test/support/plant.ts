import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { httpsCall } from '../../src/common/http/request';
import { type EmulatorProcess, spawnEmulator } from './emulator';
import { Gateway, type GatewayOptions, NEW_PASSWORD } from './gateway';
import { Program } from './process';
import { type Swtpm, startSwtpm } from './swtpm';
import { withTempFolder } from './temp';

/** A cloud, and gateways with a TPM each: everything that the flow needs, as processes. */
export class Plant {
  readonly folder: string;
  readonly cloud: EmulatorProcess;
  readonly gateways: Gateway[] = [];
  readonly tpms: Swtpm[] = [];

  constructor(folder: string, cloud: EmulatorProcess) {
    this.folder = folder;
    this.cloud = cloud;
  }

  /** A TPM and an agent on it, started. */
  async addGateway(options: Partial<GatewayOptions> = {}): Promise<{ gateway: Gateway; tpm: Swtpm }> {
    const tpm = await startSwtpm();
    this.tpms.push(tpm);
    const folder = join(this.folder, `gateway-${this.gateways.length}`);
    await mkdir(folder);
    const { ca, hub } = this.cloud.ready;
    const gateway = new Gateway({ folder, tcti: tpm.tcti, ca, hubGateway: hub, ...options });
    this.gateways.push(gateway);
    await gateway.start();
    return { gateway, tpm };
  }

  /** Runs `tpe-provision run` for all gateways to its end. */
  async provision(
    more: readonly string[] = [],
  ): Promise<{ code: number | null; events: Record<string, unknown>[] }> {
    const { service, policyName, policyKey, idScope, dps, ca } = this.cloud.ready;
    const passwordFile = join(this.folder, 'new-password');
    await writeFile(passwordFile, NEW_PASSWORD, { mode: 0o600 });
    const targets = this.gateways.flatMap(({ discoveryPort }) => ['--target', `127.0.0.1:${discoveryPort}`]);
    const dpsFlags = ['--dps-endpoint', service, '--policy-name', policyName, '--dps-ca', ca];
    const cloudFlags = ['--id-scope', idScope, '--global-endpoint', dps];
    const passwords = ['--new-password-file', passwordFile, '--trust-on-first-use'];
    const run = new Program(
      'tpe-provision',
      ['run', '--json', ...targets, ...dpsFlags, ...cloudFlags, ...passwords, ...more],
      { TPE_POLICY_KEY: policyKey, XDG_STATE_HOME: join(this.folder, 'xdg') },
    );
    const { code } = await run.exited;
    const events = run.jsonLines();
    if (code !== 0) events.push({ event: 'stderr', text: run.stderr });
    return { code, events };
  }

  /** The emulator's admin API. */
  async admin(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', path: string, body?: object): Promise<unknown> {
    const token = (await readFile(join(this.cloud.stateFolder, 'admin-token'), 'utf8')).trim();
    const answer = await httpsCall({
      host: 'localhost',
      port: this.cloud.servicePort,
      method,
      path: `/admin/v1${path}`,
      ca: this.cloud.ca,
      headers: { Authorization: `Bearer ${token}` },
      timeoutMs: 20_000,
      ...(body === undefined ? {} : { body }),
    });
    if (answer.status > 299) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.text === '' ? undefined : (JSON.parse(answer.text) as unknown);
  }

  async counters(id: string): Promise<Record<string, number>> {
    return (await this.admin('GET', `/counters/${id}`)) as Record<string, number>;
  }
}

/** Builds a plant, runs, and ends every process of it. */
export async function withPlant(run: (plant: Plant) => Promise<void>): Promise<void> {
  await withTempFolder(async (folder) => {
    const plant = new Plant(folder, await spawnEmulator(join(folder, 'cloud')));
    try {
      await run(plant);
    } finally {
      await Promise.all(plant.gateways.map((gateway) => gateway.stop()));
      await Promise.all(plant.tpms.map((tpm) => tpm.stop()));
      await plant.cloud.end();
    }
  });
}
