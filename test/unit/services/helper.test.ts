import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { readCatalogue } from '../../../src/agent/services/catalogue-files';
import { HelperClient } from '../../../src/agent/services/helper-client';
import { firewallScript } from '../../../src/agent/services/helper/firewall';
import { SSH_CATALOGUE, withHelper } from '../../support/helper-machine';
import { withTempFolder } from '../../support/temp';

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
  ['unknown keys', `${SSH_CATALOGUE}exec = "reboot"\n`],
  ['a unit that is a path', SSH_CATALOGUE.replace('ssh.socket', '../x.service')],
  ['a port that is none', SSH_CATALOGUE.replace('tcp/22', 'tcp/0')],
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
    await writeFile(join(usr, 'ssh.toml'), SSH_CATALOGUE);
    await writeFile(join(etc, 'ssh.toml'), SSH_CATALOGUE.replace('SSH server', 'Secure shell'));
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
