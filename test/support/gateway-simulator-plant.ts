import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runProgram } from '../../src/provision/cli/program';
import type { RunEvent } from '../../src/provision/report/events';
import { selfSigned } from './certificates';
import { GatewaySimulator, type SimulatorOptions } from './gateway-simulator';
import { DpsServiceSimulator } from './gateway-simulator-dps';

export const NEW_PASSWORD = 'Gateway-4711!';

export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  /** The lines of stdout, when `--json` was said. */
  readonly lines: Record<string, unknown>[];
}

/** Runs the utility's command line in this process. */
export async function tpeProvision(args: readonly string[], signal?: AbortSignal): Promise<Outcome> {
  let out = '';
  let err = '';
  let code = -1;
  await runProgram(args, {
    out: { write: (text) => (out += text) },
    err: { write: (text) => (err += text) },
    signal: signal ?? new AbortController().signal,
    exit: (value) => (code = value),
  });
  const json = args.includes('--json') && out !== '';
  const lines = json
    ? out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, unknown>)
    : [];
  return { code, out, err, lines };
}

/** The results of all gateways in what `run --json` said. */
export function deviceEvents(outcome: Outcome): Extract<RunEvent, { event: 'device' }>[] {
  const events = outcome.lines as unknown as RunEvent[];
  return events.filter((event) => event.event === 'device');
}

/** Gateways and a DPS for one test file. */
export class Plant {
  readonly folder: string;
  readonly dps: DpsServiceSimulator;
  readonly gateways: GatewaySimulator[] = [];

  private constructor(folder: string, dps: DpsServiceSimulator) {
    this.folder = folder;
    this.dps = dps;
  }

  static async open(): Promise<Plant> {
    const folder = await mkdtemp(join(tmpdir(), 'tpe-provision-'));
    const dps = await DpsServiceSimulator.start({ ...selfSigned(folder), keySha256: '' });
    await writeFile(join(folder, 'policy-key'), `${dps.policyKey}\n`);
    await writeFile(join(folder, 'new-password'), `${NEW_PASSWORD}\n`);
    return new Plant(folder, dps);
  }

  async gateway(options: SimulatorOptions): Promise<GatewaySimulator> {
    const started = await GatewaySimulator.start(options);
    this.gateways.push(started);
    return started;
  }

  /** Ends the gateways and forgets the enrollments; for afterEach. */
  async clear(): Promise<void> {
    await Promise.all(this.gateways.splice(0).map((gateway) => gateway.stop()));
    this.dps.enrollments.clear();
    this.dps.nextStatuses.length = 0;
    this.dps.calls.length = 0;
  }

  async close(): Promise<void> {
    await this.clear();
    await this.dps.stop();
    await rm(this.folder, { recursive: true, force: true });
  }

  get targets(): string[] {
    return this.gateways.flatMap((gateway) => ['--target', gateway.target]);
  }

  get dpsFlags(): string[] {
    const [ca, key] = [join(this.folder, 'server.pem'), join(this.folder, 'policy-key')];
    return ['--dps-endpoint', `https://localhost:${this.dps.port}`, '--dps-ca', ca, '--policy-key-file', key];
  }

  get secrets(): string[] {
    return ['--new-password-file', join(this.folder, 'new-password')];
  }

  /** `run` against all gateways of the plant. */
  async run(args: readonly string[], trust: readonly string[] = ['--trust-on-first-use']): Promise<Outcome> {
    const flags = ['--id-scope', '0ne00012345', '--seconds', '0.4'];
    return tpeProvision([
      'run',
      ...this.targets,
      ...this.dpsFlags,
      ...this.secrets,
      ...flags,
      ...trust,
      ...args,
    ]);
  }

  /** `status` or `verify` against all gateways of the plant. */
  async look(command: 'status' | 'verify', args: readonly string[]): Promise<Outcome> {
    const flags = ['--seconds', '0.4', '--trust-on-first-use'];
    return tpeProvision([command, ...this.targets, ...this.dpsFlags, ...this.secrets, ...flags, ...args]);
  }
}
