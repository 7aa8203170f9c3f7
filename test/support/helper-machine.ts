import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readCatalogue } from '../../src/agent/services/catalogue-files';
import { type HelperOptions, openHelper } from '../../src/agent/services/helper';
import { HelperClient } from '../../src/agent/services/helper-client';
import type { Runner } from '../../src/agent/services/helper/runner';
import { HelperServer } from '../../src/agent/services/helper/server';
import { createLogger } from '../../src/common/logger';
import { withTempFolder } from './temp';

const logger = createLogger('test', 'silent');

const OFF = '50-tpe-agent-off.conf';

/** systemctl and nft as far as the root helper uses them: ssh.service, on as its package leaves it, or other units. */
export class Machine {
  readonly said: string[] = [];
  readonly active: Set<string>;
  readonly enabled: Set<string>;
  readonly masked = new Set<string>();
  /** Words at which a command fails. */
  failing = '';
  firewall = '';
  /** The package of the units is not installed. */
  away = false;
  /** Units whose drop-in systemd has read. */
  blocked = new Set<string>();
  /** Needed by a unit when it starts. */
  readonly requires = new Map<string, string>();
  /** Enabled and disabled together with a unit. */
  readonly also = new Map<string, string>();
  /** Units that a job waits for, as at boot. */
  readonly queued = new Set<string>();
  readonly #units: readonly string[];
  readonly #unitFolder: string;

  constructor(folder: string, units: readonly string[] = ['ssh.service']) {
    this.#unitFolder = join(folder, 'units');
    this.#units = units;
    this.active = new Set(units);
    this.enabled = new Set(units);
  }

  dropIn(unit: string): string {
    return join(this.#unitFolder, `${unit}.d`, OFF);
  }

  run: Runner = (command, args, input) =>
    new Promise((resolve) => {
      this.said.push([command, ...args].join(' '));
      resolve(this.#answer(command, args, input));
    });

  #answer(command: string, args: readonly string[], input?: string): string {
    if (this.failing.split(' ').some((word) => args.includes(word))) throw new Error('no way');
    if (command === 'nft') this.firewall = input ?? '';
    if (command !== 'systemctl') return '';
    const [verb = '', ...units] = args.filter((arg) => !arg.startsWith('--'));
    if (verb === 'daemon-reload') {
      this.blocked = new Set(this.#units.filter((unit) => existsSync(this.dropIn(unit))));
    }
    if (verb === 'show') return units.map((unit) => this.#show(unit)).join('\n');
    for (const unit of units) this.#do(verb, unit);
    return '';
  }

  #do(verb: string, unit: string): void {
    if (['start', 'enable'].includes(verb) && this.masked.has(unit)) throw new Error(`${unit} is masked`);
    if (verb === 'start' && this.blocked.has(unit)) throw new Error(`Assertion failed on job for ${unit}`);
    const needed = this.requires.get(unit);
    if (verb === 'start' && needed !== undefined) this.#do('start', needed);
    if (verb === 'start') this.active.add(unit);
    if (verb === 'stop' || verb === 'disable') this.active.delete(unit);
    if (verb === 'enable') this.enabled.add(unit);
    if (verb === 'disable') this.enabled.delete(unit);
    const fellow = this.also.get(unit);
    if (fellow !== undefined && verb === 'enable') this.enabled.add(fellow);
    if (fellow !== undefined && verb === 'disable') this.enabled.delete(fellow);
    if (verb === 'mask') this.masked.add(unit);
    if (verb === 'unmask') this.masked.delete(unit);
  }

  #show(unit: string): string {
    const there = !this.away && this.#units.includes(unit);
    const masked = this.masked.has(unit);
    return [
      `Id=${unit}`,
      `LoadState=${masked ? 'masked' : there ? 'loaded' : 'not-found'}`,
      `ActiveState=${this.active.has(unit) ? 'active' : 'inactive'}`,
      `UnitFileState=${masked ? 'masked' : this.enabled.has(unit) ? 'enabled' : there ? 'disabled' : ''}`,
      `DropInPaths=${this.blocked.has(unit) ? this.dropIn(unit) : ''}`,
      `Job=${this.queued.has(unit) ? '17' : ''}`,
      '',
    ].join('\n');
  }
}

/** The folders of a helper in a test's folder, which has no network ports. */
export const helperSeams = (folder: string): Omit<HelperOptions, 'entries'> => ({
  stateFolder: folder,
  networkFolder: join(folder, 'network'),
  unitFolder: join(folder, 'units'),
  ports: () => [],
  logger,
});

export const SSH_CATALOGUE = `id = "sshserver"
group = "service"
displayName = "SSH server"
units = ["ssh.service", "ssh.socket"]
ports = ["tcp/22"]
`;

/** A root helper at its socket; its catalogue, in services.d, has the SSH server. */
export async function withHelper(
  test: (client: HelperClient, machine: Machine, folder: string) => Promise<void>,
  units?: readonly string[],
): Promise<void> {
  await withTempFolder(async (folder) => {
    const catalogue = join(folder, 'services.d');
    await mkdir(catalogue);
    await writeFile(join(catalogue, 'ssh.toml'), SSH_CATALOGUE);
    const machine = new Machine(folder, units);
    const entries = await readCatalogue([catalogue]);
    const { handle } = await openHelper({ ...helperSeams(folder), run: machine.run, entries });
    const server = new HelperServer(handle, logger);
    const path = join(folder, 'helper.sock');
    await server.listen({ path });
    try {
      await test(new HelperClient(path), machine, folder);
    } finally {
      await server.close();
    }
  });
}
