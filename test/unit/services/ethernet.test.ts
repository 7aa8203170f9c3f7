import { mkdir, readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Ethernets } from '../../../src/agent/services/ethernet';
import { ethernetProblem } from '../../../src/agent/services/ethernet-rules';
import { openHelper } from '../../../src/agent/services/helper';
import { HelperClient, type HostControl } from '../../../src/agent/services/helper-client';
import type { HelperRequest } from '../../../src/agent/services/helper-protocol';
import { networkFile, parseNetworkFile } from '../../../src/agent/services/helper/network-file';
import type { Runner } from '../../../src/agent/services/helper/runner';
import { type HelperHandler, HelperServer } from '../../../src/agent/services/helper/server';
import { createLogger } from '../../../src/common/logger';
import { FakeClock } from '../../support/fake-clock';
import { withTempFolder } from '../../support/temp';
import { waitFor } from '../../support/wait';

const logger = createLogger('test', 'silent');
const BEFORE = {
  enable: true,
  enableDhcp: false,
  ip: '192.168.5.2',
  netmask: '255.255.255.128',
  gateway: '192.168.5.1',
  dns: ['1.1.1.1'],
};
const AFTER = { ...BEFORE, ip: '192.168.5.3' };

/** The root helper of a gateway with two ports; systemd and its networkd are told by name what they do. */
class Gateway {
  readonly clock = new FakeClock();
  readonly said: string[] = [];
  failing = '';
  networkd = true;
  addresses = ['192.168.5.2', '192.168.5.3', 'fe80::290:e8ff:fe79:46b5'];
  /** What DHCP has given. */
  lease: string | undefined;
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  run: Runner = (command, args) => {
    this.said.push([command, ...args].join(' '));
    const fails = args.includes(this.failing) || (args[0] === 'is-active' && !this.networkd);
    return fails ? Promise.reject(new Error('no way')) : Promise.resolve('');
  };

  /** A boot, or a restart of the helper: nothing but what is on disk is left. */
  async start(): Promise<HelperHandler> {
    const ports = () => [
      { name: 'eth0', addresses: this.addresses },
      { name: 'eth1', addresses: ['10.0.0.5'] },
    ];
    const helper = await openHelper({
      stateFolder: this.#folder,
      networkFolder: join(this.#folder, 'network'),
      run: this.run,
      clock: this.clock,
      entries: new Map(),
      ports,
      leased: () => Promise.resolve(this.lease),
      logger,
    });
    await helper.start();
    return helper.handle;
  }

  async file(name = 'eth0'): Promise<string | undefined> {
    return readFile(join(this.#folder, 'network', `05-tpe-${name}.network`), 'utf8').catch(() => undefined);
  }

  async waiting(): Promise<string[]> {
    return (await readdir(this.#folder)).filter((name) => name.startsWith('unconfirmed-'));
  }

  async expectFile(text: string): Promise<void> {
    await waitFor(
      'the file',
      async () => (await this.file()) === text && (await this.waiting()).length === 0,
    );
  }
}

async function withGateway(run: (gateway: Gateway, handle: HelperHandler) => Promise<void>): Promise<void> {
  await withTempFolder(async (folder) => {
    const gateway = new Gateway(folder);
    await run(gateway, await gateway.start());
  });
}

const set = (settings = AFTER, name = 'eth0'): HelperRequest => ({ verb: 'setEthernet', name, settings });
const confirm = (address: string): HelperRequest => ({ verb: 'confirmEthernet', address });

/** A gateway whose first address was confirmed. */
async function withAddress(run: (gateway: Gateway, handle: HelperHandler) => Promise<void>): Promise<void> {
  await withGateway(async (gateway, handle) => {
    await handle(set(BEFORE));
    await handle(confirm(BEFORE.ip));
    await run(gateway, handle);
  });
}

test('addresses are written for systemd-networkd, and read back', () => {
  expect(networkFile('eth0', BEFORE)).toContain('Address=192.168.5.2/25');
  expect(parseNetworkFile(networkFile('eth0', BEFORE))).toEqual(BEFORE);
});

test('a confirmed change stays, and nothing of the way there', async () => {
  await withAddress(async (gateway, handle) => {
    await handle(set());
    expect(await handle({ verb: 'getEthernet', name: 'eth0' })).toEqual({ ...AFTER, unconfirmed: true });
    expect(await handle(confirm('192.168.5.2'))).toEqual({ waiting: 1 });
    expect(await handle(confirm('192.168.5.3'))).toEqual({ waiting: 0 });
    gateway.clock.advance(600_000);
    expect(await handle({ verb: 'getEthernet', name: 'eth0' })).toEqual({ ...AFTER, unconfirmed: false });
    expect(await gateway.waiting()).toEqual([]);
    expect(gateway.clock.timers).toBe(0);
    await gateway.start();
    expect(await gateway.file()).toBe(networkFile('eth0', AFTER));
  });
});

test('the helper takes a change back by itself, whatever became of the agent', async () => {
  await withAddress(async (gateway, handle) => {
    await handle(set());
    gateway.clock.advance(59_999);
    expect(await gateway.file()).toBe(networkFile('eth0', AFTER));
    gateway.clock.advance(1);
    await gateway.expectFile(networkFile('eth0', BEFORE));
    expect(gateway.said.at(-1)).toBe('networkctl reconfigure eth0');
    // The port is free for the next try.
    await handle(set());
  });
});

test('an unconfirmed change does not outlive a power cut', async () => {
  await withAddress(async (gateway, handle) => {
    await handle(set());
    await gateway.start();
    expect(await gateway.file()).toBe(networkFile('eth0', BEFORE));
    expect(await gateway.waiting()).toEqual([]);
  });
});

test('where there was no file before, there is none after', async () => {
  await withGateway(async (gateway, handle) => {
    await handle(set());
    await gateway.start();
    expect(await gateway.file()).toBeUndefined();
  });
});

test('a boot takes back before systemd-networkd runs, and tries again where that one refuses', async () => {
  await withAddress(async (gateway, handle) => {
    await handle(set());
    gateway.networkd = false;
    await gateway.start();
    expect(await gateway.file()).toBe(networkFile('eth0', BEFORE));
    expect(await gateway.waiting()).toEqual([]);

    gateway.networkd = true;
    await handle(set());
    gateway.failing = 'reconfigure';
    await gateway.start();
    expect(await gateway.waiting()).toHaveLength(1);
    gateway.failing = '';
    gateway.clock.advance(60_000);
    await gateway.expectFile(networkFile('eth0', BEFORE));
  });
});

test('an address that could not be applied does not wait on disk for the next boot', async () => {
  await withAddress(async (gateway, handle) => {
    gateway.failing = 'reconfigure';
    await expect(handle(set())).rejects.toThrow('no way');
    expect(await gateway.file()).toBe(networkFile('eth0', BEFORE));
  });
});

test('one change of a port at a time, and none where systemd-networkd does not run', async () => {
  await withAddress(async (gateway, handle) => {
    const results = await Promise.allSettled([handle(set()), handle(set({ ...BEFORE, ip: '192.168.5.4' }))]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
    await handle(confirm(AFTER.ip));
    gateway.networkd = false;
    await expect(handle(set(BEFORE))).rejects.toMatchObject({ code: 'HOST_REFUSED' });
    expect(await gateway.file()).toBe(networkFile('eth0', AFTER));
  });
});

test('a lease is confirmed by a login on the leased address only', async () => {
  await withAddress(async (gateway, handle) => {
    await handle(set({ ...BEFORE, enableDhcp: true }));
    // The kernel still holds the address from before, and DHCP has not answered.
    expect(await handle(confirm('192.168.5.2'))).toEqual({ waiting: 1 });
    gateway.lease = '192.168.5.77';
    expect(await handle(confirm('192.168.5.77'))).toEqual({ waiting: 1 });
    gateway.addresses.push('192.168.5.77');
    for (const other of ['192.168.5.2', 'fe80::290:e8ff:fe79:46b5', '10.0.0.5']) {
      expect(await handle(confirm(other))).toEqual({ waiting: 1 });
    }
    expect(await handle(confirm('192.168.5.77'))).toEqual({ waiting: 0 });
  });
});

test('a reservation that gives the static address again is confirmed by a login on it', async () => {
  await withAddress(async (gateway, handle) => {
    await handle(set({ ...BEFORE, enableDhcp: true }));
    gateway.lease = BEFORE.ip;
    expect(await handle(confirm(BEFORE.ip))).toEqual({ waiting: 0 });
    expect(await gateway.waiting()).toEqual([]);
  });
});

test('an address that the port does not have yet confirms nothing', async () => {
  await withAddress(async (gateway, handle) => {
    gateway.addresses = ['192.168.5.2'];
    await handle(set());
    expect(await handle(confirm(AFTER.ip))).toEqual({ waiting: 1 });
  });
});

test('a port that was switched off is confirmed by a login over another one', async () => {
  await withAddress(async (_gateway, handle) => {
    await handle(set({ ...BEFORE, enable: false }));
    expect(await handle(confirm('192.168.5.2'))).toEqual({ waiting: 1 });
    expect(await handle(confirm('127.0.0.1'))).toEqual({ waiting: 1 });
    expect(await handle(confirm('10.0.0.5'))).toEqual({ waiting: 0 });
  });
});

test.each([
  ['a mask with holes', { netmask: '255.0.255.0' }, 'netmask: not a netmask'],
  ['an empty mask', { netmask: '0.0.0.0' }, 'netmask: not a netmask'],
  ['no mask', { netmask: '' }, 'netmask: not a netmask'],
  ['no address', { ip: '' }, 'ip: a static address is needed without DHCP'],
  ['loopback', { ip: '127.0.0.1' }, 'ip: not an address for a port'],
  ['a multicast address', { ip: '224.0.0.1' }, 'ip: not an address for a port'],
  ['a leading zero', { ip: '192.168.5.010' }, 'ip: not an address for a port'],
  ['a hole that waits behind DHCP', { enableDhcp: true, netmask: '255.0.255.0' }, 'netmask: not a netmask'],
  ['a gateway that is none', { gateway: '0.0.0.0' }, 'gateway: not an IPv4 address'],
  ['a name server with a leading zero', { dns: ['010.0.0.1'] }, 'dns: not an IPv4 address'],
])('%s is refused by the helper itself, and nothing is written', async (_what, change, reason) => {
  await withGateway(async (gateway, handle) => {
    const settings = { ...BEFORE, ...change };
    expect(ethernetProblem(settings)).toBe(reason);
    await expect(handle(set(settings))).rejects.toMatchObject({ code: 'HOST_REFUSED', details: { reason } });
    expect(await gateway.file()).toBeUndefined();
    expect(gateway.said.filter((line) => line.startsWith('networkctl'))).toEqual([]);
  });
});

test.each(['lo', 'wwan0', 'docker0', 'eth7'])('%s is no port whose address may be set', async (name) => {
  await withGateway(async (gateway, handle) => {
    await expect(handle(set(BEFORE, name))).rejects.toMatchObject({ code: 'HOST_REFUSED' });
    expect(await gateway.file(name)).toBeUndefined();
  });
});

test('a login that was asked about before a change does not keep the next one from confirming it', async () => {
  const asked: string[] = [];
  let answer: ((value: { waiting: number }) => void) | undefined;
  const host: HostControl = {
    request: async ({ verb }) => {
      asked.push(verb);
      const late = verb === 'confirmEthernet' && answer === undefined;
      const value: unknown = late
        ? await new Promise((resolve) => (answer = resolve))
        : { ...BEFORE, unconfirmed: false, waiting: 0 };
      return value as never;
    },
  };
  const port = { id: 1, name: 'eth0', mac: '0090e87946b5', up: true, carrier: true, linkSpeed: 100 };
  const kernel = { ...port, ip: '', netmask: '', gateway: '', addresses: [] };
  const ethernets = new Ethernets({ host, logger, ports: () => [kernel] });
  const login = ethernets.confirm({ localAddress: BEFORE.ip });
  await ethernets.change(1, AFTER);
  answer?.({ waiting: 0 });
  await login;
  await ethernets.confirm({ localAddress: AFTER.ip });
  expect(asked.filter((verb) => verb === 'confirmEthernet')).toHaveLength(2);
});

test('a login over a connection from before the end of a change does not confirm it', async () => {
  const confirmed: unknown[] = [];
  let applied: (() => void) | undefined;
  const host: HostControl = {
    request: async (request) => {
      if (request.verb === 'confirmEthernet') confirmed.push(request);
      if (request.verb === 'setEthernet') await new Promise<void>((resolve) => (applied = resolve));
      return { ...BEFORE, unconfirmed: false, waiting: 'except' in request ? 1 : 0 } as never;
    },
  };
  const port = { id: 1, name: 'eth0', mac: '0090e87946b5', up: true, carrier: true, linkSpeed: 100 };
  const kernel = { ...port, ip: '', netmask: '', gateway: '', addresses: [] };
  const ethernets = new Ethernets({ host, logger, ports: () => [kernel] });
  const connect = (localAddress: string): { localAddress: string } => {
    const connection = { localAddress };
    ethernets.connected(connection);
    return connection;
  };
  const before = connect('192.168.5.2');
  const change = ethernets.change(1, { ...BEFORE, gateway: '192.168.5.9' });
  await waitFor('the change', () => applied !== undefined);
  const meanwhile = connect('192.168.5.2');
  applied?.();
  await change;
  for (const connection of [before, meanwhile]) await ethernets.confirm(connection);
  const login = confirm('192.168.5.2');
  const early = { ...login, except: ['eth0'] };
  expect(confirmed).toEqual([early, early]);
  await ethernets.confirm(connect('192.168.5.2'));
  expect(confirmed).toEqual([early, early, login]);
});

test('a change of another port does not keep a login from confirming the one that it proves', async () => {
  await withAddress(async (gateway, handle) => {
    const host: HostControl = { request: async (request) => await handle(request) };
    const port = { mac: '0090e87946b5', up: true, carrier: true, linkSpeed: 100 };
    const kernel = { ...port, ip: '', netmask: '', gateway: '', addresses: [] };
    const names = ['eth0', 'eth1'];
    const ports = () => names.map((name, i) => ({ ...kernel, id: i + 1, name }));
    const ethernets = new Ethernets({ host, logger, ports });
    await ethernets.change(1, AFTER);
    const connection = { localAddress: AFTER.ip };
    ethernets.connected(connection);
    // Switched off: any login that is younger would confirm it.
    await ethernets.change(2, { ...BEFORE, enable: false });
    await ethernets.confirm(connection);
    expect(await gateway.waiting()).toEqual(['unconfirmed-eth1.network']);
    const younger = { localAddress: AFTER.ip };
    ethernets.connected(younger);
    await ethernets.confirm(younger);
    expect(await gateway.waiting()).toEqual([]);
  });
});

test('an agent that gave up waiting for the helper still confirms what the helper did', async () => {
  await withTempFolder(async (folder) => {
    const state = join(folder, 'state');
    await mkdir(state);
    const gateway = new Gateway(state);
    const handle = await gateway.start();
    const server = new HelperServer(handle, logger);
    const path = join(folder, 'helper.sock');
    await server.listen({ path });
    try {
      const host = new HelperClient(path);
      const port = { id: 1, name: 'eth0', mac: '0090e87946b5', up: true, carrier: true, linkSpeed: 100 };
      const kernel = { ...port, ip: '', netmask: '', gateway: '', addresses: [] };
      const ethernets = new Ethernets({ host, logger, ports: () => [kernel] });
      const changed = ethernets.change(1, AFTER);
      await expect(host.request({ verb: 'services' }, 0)).rejects.toMatchObject({
        code: 'HOST_HELPER_FAILED',
      });
      expect(await changed).toMatchObject({ ip: '192.168.5.3', unconfirmed: true });
      await expect(ethernets.change(1, BEFORE)).rejects.toMatchObject({ code: 'API_CONFLICT' });

      // The agent that comes up after a crash knows of nothing, and asks.
      const restarted = new Ethernets({ host, logger, ports: () => [kernel] });
      await restarted.confirm({ localAddress: '192.168.5.2' });
      expect(await gateway.waiting()).toHaveLength(1);
      await restarted.confirm({ localAddress: '::ffff:192.168.5.3' });
      expect(await gateway.waiting()).toEqual([]);
    } finally {
      await server.close();
    }
  });
});
