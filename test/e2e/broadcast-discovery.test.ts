import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Gateway, NEW_PASSWORD } from '../support/gateway';
import { NetworkLab } from '../support/network-lab';
import { Program } from '../support/process';
import { type Swtpm, startSwtpm } from '../support/swtpm';
import { waitFor } from '../support/wait';

/** What the factory sets on every unit. */
const FACTORY_ADDRESS = '192.168.4.127/24';

let lab: NetworkLab;
let folder: string;
const tpms: Swtpm[] = [];
const gateways: Gateway[] = [];

async function addGateway(n: number, bridge: string, address: string): Promise<Gateway> {
  const name = `gw${n}`;
  await lab.host(name, bridge, address);
  const tpm = await startSwtpm();
  tpms.push(tpm);
  const own = join(folder, name);
  await mkdir(own);
  const gateway = new Gateway({
    folder: own,
    tcti: tpm.tcti,
    serialNumber: `TAICB100000${n}`,
    macAddress: `0090e800000${n}`,
    inside: lab.on(name),
  });
  gateways.push(gateway);
  await gateway.start();
  return gateway;
}

/** The utility on the laptop. */
async function utility(args: readonly string[]): Promise<Record<string, unknown>[]> {
  const program = new Program('tpe-provision', [...args, '--json'], {}, lab.on('laptop'));
  const { code } = await program.exited;
  if (code !== 0) throw new Error(`exit ${code}: ${program.stderr}${program.stdout}`);
  return program.jsonLines();
}

/** IPv6 addresses are usable once their duplicate check is over. */
async function settled(host: string): Promise<void> {
  await waitFor(`the link-local address of ${host}`, async () => {
    const text = await lab.command([
      ...lab.on(host),
      'ip',
      '-6',
      'addr',
      'show',
      'dev',
      'eth0',
      'scope',
      'link',
    ]);
    return text.includes('fe80:') && !text.includes('tentative');
  });
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tpe-lab-'));
  lab = await NetworkLab.open();
  await lab.bridge('plant');
  await lab.bridge('annex');
  await lab.host('laptop', 'plant', '10.77.1.1/24');
  await lab.host('router', 'plant', '10.77.1.254/24');
  await lab.ip(`link add router2 type veth peer name eth1 netns router
    link set router2 master annex up
    -n router addr add 10.77.2.254/24 dev eth1
    -n router link set eth1 up
    -n laptop route add 10.77.2.0/24 via 10.77.1.254`);
  await lab.command([...lab.on('router'), 'sysctl', '-qw', 'net.ipv4.ip_forward=1']);
  // One that has its address in the plant, two as they came from the factory, one behind the router.
  await addGateway(1, 'plant', '10.77.1.11/24');
  await addGateway(2, 'plant', FACTORY_ADDRESS);
  await addGateway(3, 'plant', FACTORY_ADDRESS);
  await addGateway(4, 'annex', '10.77.2.14/24');
  await lab.ip('-n gw4 route add default via 10.77.2.254');
  for (const host of ['laptop', 'gw1', 'gw2', 'gw3']) await settled(host);
}, 120_000);

afterAll(async () => {
  await Promise.all(gateways.map((gateway) => gateway.stop()));
  await Promise.all(tpms.map((tpm) => tpm.stop()));
  await lab.close();
  await rm(folder, { recursive: true, force: true });
});

const serials = (lines: readonly Record<string, unknown>[]): unknown[] =>
  lines.map((line) => line['serialNumber']).sort();

test('a broadcast finds the three on the bridge once each, also those with a foreign address', async () => {
  const found = await utility(['discover', '--seconds', '2']);
  expect(serials(found)).toEqual(['TAICB1000001', 'TAICB1000002', 'TAICB1000003']);
  const foreign = found.filter(({ serialNumber }) => serialNumber !== 'TAICB1000001');
  for (const { address } of foreign) expect(address).toMatch(/^fe80::[0-9a-f:]+%eth0$/);
});

test('a sweep of the other subnet finds the one behind the router', async () => {
  const found = await utility(['discover', '--seconds', '2', '--target', '10.77.2.0/24']);
  expect(found).toMatchObject([{ serialNumber: 'TAICB1000004', address: '10.77.2.14' }]);
});

test('of two units that share an address on the laptop’s own network each is reached', async () => {
  await lab.ip('-n laptop addr add 192.168.4.1/24 dev eth0');
  const passwordFile = join(folder, 'new-password');
  await writeFile(passwordFile, NEW_PASSWORD, { mode: 0o600 });
  const lines = await utility([
    ...['run', '--until', 'collected', '--seconds', '2', '--trust-on-first-use'],
    ...['--new-password-file', passwordFile],
  ]);
  const devices = lines.filter(({ event }) => event === 'device');
  expect(devices).toHaveLength(3);
  for (const device of devices) {
    expect(device).toMatchObject({ result: 'done', stage: 'collected', evidence: 'possession' });
  }
  expect(new Set(devices.map((device) => device['endorsementKey'])).size).toBe(3);
});
