import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { ServiceCatalogue } from '../../../src/agent/services/catalogue';
import { readCatalogue } from '../../../src/agent/services/catalogue-files';
import { openHelper } from '../../../src/agent/services/helper';
import { HelperClient } from '../../../src/agent/services/helper-client';
import { firewallScript } from '../../../src/agent/services/helper/firewall';
import type { Runner } from '../../../src/agent/services/helper/runner';
import { HelperServer } from '../../../src/agent/services/helper/server';
import { systemClock as clock } from '../../../src/common/clock';
import { createLogger } from '../../../src/common/logger';
import { withTempFolder } from '../../support/temp';

const logger = createLogger('test', 'silent');

/** systemctl as far as the helper uses it. */
class Machine {
  readonly said: string[] = [];
  readonly active = new Set(['ssh.service']);
  readonly masked = new Set<string>();
  failing = '';
  firewall = '';
  /** Whether the condition that keeps ssh.service from starting is on the disk, and whether systemd has read it. */
  dropIn = (): boolean => false;
  conditioned = false;

  run: Runner = (command, args, input) => {
    this.said.push([command, ...args].join(' '));
    if (this.failing !== '' && this.failing.split(' ').some((word) => args.includes(word)))
      return Promise.reject(new Error('no way'));
    if (command === 'nft') this.firewall = input ?? '';
    if (command !== 'systemctl') return Promise.resolve('');
    const [verb = '', ...units] = args.filter((arg) => !arg.startsWith('--'));
    if (verb === 'daemon-reload') this.conditioned = this.dropIn();
    if (args.includes('--property=NeedDaemonReload')) {
      return Promise.resolve(
        units.map(() => (this.conditioned === this.dropIn() ? 'no' : 'yes')).join('\n\n'),
      );
    }
    for (const unit of units) {
      if (verb === 'start' && !this.conditioned) this.active.add(unit);
      if (verb === 'disable') this.active.delete(unit);
      if (verb === 'mask') this.masked.add(unit);
      if (verb === 'unmask') this.masked.delete(unit);
    }
    if (verb !== 'show') return Promise.resolve('');
    const show = (unit: string): string => {
      const load = this.masked.has(unit) ? 'masked' : unit === 'ssh.service' ? 'loaded' : 'not-found';
      return `Id=${unit}\nLoadState=${load}\nActiveState=${this.active.has(unit) ? 'active' : 'inactive'}\n`;
    };
    return Promise.resolve(units.map(show).join('\n'));
  };
}

const seams = (folder: string) => ({
  stateFolder: folder,
  networkFolder: join(folder, 'network'),
  unitFolder: join(folder, 'units'),
  ports: () => [],
  logger,
});

const SSH = `id = "sshserver"
group = "service"
displayName = "SSH server"
units = ["ssh.service", "ssh.socket"]
ports = ["tcp/22"]
`;

async function withHelper(run: (client: HelperClient, machine: Machine, folder: string) => Promise<void>) {
  await withTempFolder(async (folder) => {
    const catalogue = join(folder, 'services.d');
    await mkdir(catalogue);
    await writeFile(join(catalogue, 'ssh.toml'), SSH);
    const machine = new Machine();
    const entries = await readCatalogue([catalogue]);
    const { handle } = await openHelper({ ...seams(folder), run: machine.run, entries });
    const server = new HelperServer(handle, logger);
    const path = join(folder, 'helper.sock');
    await server.listen({ path });
    try {
      await run(new HelperClient(path), machine, folder);
    } finally {
      await server.close();
    }
  });
}

test('a service that is switched off is stopped, disabled, masked, and its ports are closed', async () => {
  await withHelper(async (client, machine) => {
    expect(await client.request({ verb: 'services' })).toEqual({
      services: [{ id: 'sshserver', available: true, active: true }],
    });
    expect(await client.request({ verb: 'setService', id: 'sshserver', enable: false })).toEqual({
      id: 'sshserver',
      available: true,
      active: false,
      desired: false,
    });
    expect(machine.said).toContain('systemctl disable --now ssh.service');
    expect(machine.said).toContain('systemctl mask ssh.service');
    expect(machine.firewall).toContain('tcp dport { 22 } drop');
    await client.request({ verb: 'setService', id: 'sshserver', enable: true });
    expect(machine.said.slice(-6)).toEqual([
      'systemctl unmask ssh.service',
      'systemctl show --property=NeedDaemonReload --value ssh.service',
      'systemctl enable ssh.service',
      'systemctl start ssh.service',
      'nft -f -',
      'systemctl show --property=Id,LoadState,ActiveState ssh.service ssh.socket',
    ]);
    expect(machine.firewall).toBe('table inet tpe_agent\ndelete table inet tpe_agent\n');
  });
});

test('after a factory reset the services are what they were before anybody switched them', async () => {
  await withHelper(async (client, machine, folder) => {
    const folders = [join(folder, 'services.d')];
    const opened = (state: string): Promise<ServiceCatalogue> =>
      ServiceCatalogue.open({ stateFolder: join(folder, state), inner: {}, host: client, clock, folders });
    await mkdir(join(folder, 'state'));
    await mkdir(join(folder, 'reset'));
    const before = await opened('state');
    await before.setEnabled('sshserver', false);
    await before.setEnabled('sshserver', false);
    await before.reconcile();
    expect(machine.active.has('ssh.service')).toBe(false);

    // The same gateway with the state of a new one.
    await (await opened('reset')).reconcile();
    expect(machine.active.has('ssh.service')).toBe(true);
    expect(machine.masked.size).toBe(0);
    expect(machine.firewall).not.toContain('drop');
    expect(await client.request({ verb: 'services' })).toEqual({
      services: [{ id: 'sshserver', available: true, active: true }],
    });
  });
});

test('a wish of a time without helper comes true at the next start', async () => {
  await withHelper(async (client, machine, folder) => {
    const catalogue = (host: HelperClient): Promise<ServiceCatalogue> =>
      ServiceCatalogue.open({
        stateFolder: folder,
        inner: {},
        host,
        clock,
        folders: [join(folder, 'services.d')],
      });
    await (await catalogue(new HelperClient(join(folder, 'nobody.sock')))).setEnabled('sshserver', false);
    expect(machine.active.has('ssh.service')).toBe(true);
    await (await catalogue(client)).reconcile();
    expect(machine.active.has('ssh.service')).toBe(false);
  });
});

test('ports that could not be closed are told until they are', async () => {
  await withHelper(async (client, machine) => {
    machine.failing = '-f';
    expect(await client.request({ verb: 'setService', id: 'sshserver', enable: false })).toMatchObject({
      active: false,
      problem: 'its ports could not be closed: no way',
    });
    machine.failing = '';
    await client.request({ verb: 'setService', id: 'sshserver', enable: false });
    const { services } = await client.request({ verb: 'services' });
    expect(services).toEqual([{ id: 'sshserver', available: true, active: false, desired: false }]);
  });
});

test('a unit that cannot be masked is kept from being started by a condition', async () => {
  await withHelper(async (client, machine, folder) => {
    // What systemctl says of a unit whose file lies in /etc/systemd/system.
    machine.failing = 'mask';
    const dropIn = join(folder, 'units/ssh.service.d/50-tpe-agent-off.conf');
    machine.dropIn = () => existsSync(dropIn);
    const off = await client.request({ verb: 'setService', id: 'sshserver', enable: false });
    expect(off.problem).toBeUndefined();
    expect(await readFile(dropIn, 'utf8')).toContain('[Unit]\nConditionPathExists=!/\n');
    expect(machine.said.at(-3)).toBe('systemctl daemon-reload');

    await client.request({ verb: 'setService', id: 'sshserver', enable: true });
    await expect(readFile(dropIn)).rejects.toMatchObject({ code: 'ENOENT' });
    expect(machine.said.filter((line) => /daemon-reload|start/.test(line)).slice(-2)).toEqual([
      'systemctl daemon-reload',
      'systemctl start ssh.service',
    ]);
  });
});

test('a switch that failed half-way is completed by the next try, in both directions', async () => {
  await withHelper(async (client, machine, folder) => {
    const dropIn = join(folder, 'units/ssh.service.d/50-tpe-agent-off.conf');
    machine.dropIn = () => existsSync(dropIn);
    const set = async (enable: boolean) => client.request({ verb: 'setService', id: 'sshserver', enable });

    machine.failing = 'mask daemon-reload';
    expect(await set(false)).toMatchObject({ active: false, problem: 'no way' });
    expect(machine.conditioned).toBe(false);
    machine.failing = 'mask';
    expect((await set(false)).problem).toBeUndefined();
    expect(machine.conditioned).toBe(true);

    machine.failing = 'daemon-reload';
    expect(await set(true)).toMatchObject({ active: false, problem: 'no way' });
    expect(existsSync(dropIn)).toBe(false);
    machine.failing = '';
    expect(await set(true)).toEqual({ id: 'sshserver', available: true, active: true, desired: true });
    // With nothing left to reread nothing is.
    machine.said.length = 0;
    await set(true);
    expect(machine.said).not.toContain('systemctl daemon-reload');
  });
});

test('a service that could not be put back is not forgotten', async () => {
  await withHelper(async (client, machine) => {
    await client.request({ verb: 'setService', id: 'sshserver', enable: false });
    machine.failing = 'unmask';
    const failed = await client.request({ verb: 'forgetService', id: 'sshserver' });
    expect(failed).toMatchObject({ active: false, desired: true, problem: 'no way' });
    machine.failing = '';
    const put = await client.request({ verb: 'forgetService', id: 'sshserver' });
    expect(put).toEqual({ id: 'sshserver', available: true, active: true });
    expect(machine.masked.size).toBe(0);
  });
});

test('a unit that can be neither masked nor blocked is told to be startable', async () => {
  await withHelper(async (client, machine, folder) => {
    machine.failing = 'mask';
    await writeFile(join(folder, 'units'), 'no folder');
    const { active, problem } = await client.request({ verb: 'setService', id: 'sshserver', enable: false });
    expect(active).toBe(false);
    expect(problem).toContain('not kept from being started');
  });
});

test('what could not be reached is said, with the reason', async () => {
  await withHelper(async (client, machine) => {
    machine.failing = 'disable';
    expect(await client.request({ verb: 'setService', id: 'sshserver', enable: false })).toMatchObject({
      active: true,
      desired: false,
      problem: 'no way',
    });
  });
});

test('the desired state is applied again after a boot', async () => {
  await withHelper(async (client, machine, folder) => {
    await client.request({ verb: 'setService', id: 'sshserver', enable: false });
    const booted = new Machine();
    const entries = await readCatalogue([join(folder, 'services.d')]);
    await (await openHelper({ ...seams(folder), run: booted.run, entries })).start();
    expect(booted.active.has('ssh.service')).toBe(false);
    expect(booted.firewall).toBe(machine.firewall);
  });
});

test.each([
  ['an unknown id', { verb: 'setService', id: 'rm', enable: false }],
  ['an id that is a path', { verb: 'setService', id: '../../x', enable: false }],
  ['an option in the place of a host name', { verb: 'setHostName', hostName: '--help' }],
  ['a shell in a time zone', { verb: 'setTimeZone', timezone: 'UTC; reboot' }],
  ['an unknown verb', { verb: 'run', command: 'reboot' }],
  ['an interface that is a path', { verb: 'getEthernet', name: '../lo' }],
  [
    'a line break in a time server',
    { verb: 'setNtp', ntp: { enable: true, source: '', server: 'a\nb', interval: 64 } },
  ],
])('%s is refused and nothing is run', async (_what, request) => {
  await withHelper(async (client, machine) => {
    await expect(client.request(request as never)).rejects.toMatchObject({ code: 'HOST_REFUSED' });
    expect(machine.said).toEqual([]);
  });
});

test.each(['', '\n', 'x\n', '[]\n', 'x'.repeat(70_000)])(
  'noise on the socket ends the connection',
  async (noise) => {
    await withHelper(async (client, _machine, folder) => {
      await new Promise<void>((resolve) => {
        const socket = connect(join(folder, 'helper.sock'), () => socket.end(noise));
        socket.on('error', () => undefined);
        socket.on('close', () => resolve());
        socket.resume();
      });
      expect((await client.request({ verb: 'services' })).services).toHaveLength(1);
    });
  },
);

test('without a helper the client says so', async () => {
  const client = new HelperClient('/nonexistent/helper.sock');
  await expect(client.request({ verb: 'services' })).rejects.toMatchObject({ code: 'HOST_HELPER_ABSENT' });
});

test.each([
  ['not TOML', 'id ='],
  ['unknown keys', `${SSH}exec = "reboot"\n`],
  ['a unit that is a path', SSH.replace('ssh.socket', '../x.service')],
  ['a port that is none', SSH.replace('tcp/22', 'tcp/0')],
])('a catalogue file with %s is refused with its name', async (_what, text) => {
  await withTempFolder(async (folder) => {
    await writeFile(join(folder, 'bad.toml'), text);
    await expect(readCatalogue([folder])).rejects.toMatchObject({
      code: 'CATALOGUE_INVALID',
      message: expect.stringContaining('bad.toml') as unknown,
    });
  });
});

test('a file of the integrator replaces that of the package', async () => {
  await withTempFolder(async (folder) => {
    const [usr, etc] = [join(folder, 'usr'), join(folder, 'etc')];
    await Promise.all([usr, etc].map(async (path) => mkdir(path)));
    await writeFile(join(usr, 'ssh.toml'), SSH);
    await writeFile(join(etc, 'ssh.toml'), SSH.replace('SSH server', 'Secure shell'));
    const entries = await readCatalogue([usr, etc, join(folder, 'absent')]);
    expect(entries.get('sshserver')?.displayName).toBe('Secure shell');
  });
});

test('the firewall script holds each port once and touches no other table', () => {
  const script = firewallScript(['tcp/22', 'udp/123', 'tcp/22', 'tcp/21']);
  expect(script).toContain('iifname != "lo" tcp dport { 21, 22 } drop');
  expect(script).toContain('iifname != "lo" udp dport { 123 } drop');
  expect(script.match(/table \S+ \S+/g)).toEqual(Array(3).fill('table inet tpe_agent'));
});

test('a switch that comes in while the desired state is applied has the last word', async () => {
  await withTempFolder(async (folder) => {
    const catalogue = join(folder, 'services.d');
    await mkdir(catalogue);
    await writeFile(join(catalogue, 'ssh.toml'), SSH);
    const machine = new Machine();
    const entries = await readCatalogue([catalogue]);
    // Stopping a unit takes its time; a switch that does not wait its turn is through before.
    const run: Runner = async (command, args, input) => {
      if (args.includes('disable')) await new Promise((resolve) => setTimeout(resolve, 200));
      return machine.run(command, args, input);
    };
    const { handle, start } = await openHelper({ ...seams(folder), run, entries });
    await handle({ verb: 'setService', id: 'sshserver', enable: false });
    await Promise.all([start(), handle({ verb: 'setService', id: 'sshserver', enable: true })]);
    expect(machine.active.has('ssh.service')).toBe(true);
    expect(machine.masked.has('ssh.service')).toBe(false);
  });
});
