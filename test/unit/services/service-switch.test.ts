import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Type } from '@sinclair/typebox';
import { ServiceCatalogue } from '../../../src/agent/services/catalogue';
import { readCatalogue } from '../../../src/agent/services/catalogue-files';
import { openHelper } from '../../../src/agent/services/helper';
import { HelperClient, type HostControl } from '../../../src/agent/services/helper-client';
import type { Runner } from '../../../src/agent/services/helper/runner';
import { systemClock as clock } from '../../../src/common/clock';
import { StoredValue } from '../../../src/common/fs/stored-value';
import { TpeError } from '../../../src/common/errors/tpe-error';
import { Machine, SSH_CATALOGUE, helperSeams, withHelper } from '../../support/helper-machine';
import { withTempFolder } from '../../support/temp';

test('a service that is switched off is stopped, disabled, kept from being started, and its ports are closed', async () => {
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
    expect(machine.blocked).toEqual(new Set(['ssh.service']));
    expect(await readFile(machine.dropIn('ssh.service'), 'utf8')).toContain('[Unit]\nAssertPathExists=!/\n');
    expect(machine.firewall).toContain('tcp dport { 22 } drop');
    await client.request({ verb: 'setService', id: 'sshserver', enable: true });
    expect(machine.active.has('ssh.service') && machine.enabled.has('ssh.service')).toBe(true);
    expect(existsSync(dirname(machine.dropIn('ssh.service')))).toBe(false);
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
    expect(machine.blocked.size).toBe(0);
    expect(machine.firewall).not.toContain('drop');
    expect(await client.request({ verb: 'services' })).toEqual({
      services: [{ id: 'sshserver', available: true, active: true }],
    });
  });
});

test('a helper that failed is asked again at the next call', async () => {
  await withHelper(async (client, _machine, folder) => {
    let asked = 0;
    const host: HostControl = {
      request: async (request) => {
        asked += 1;
        if (asked === 1) throw new TpeError('HOST_HELPER_FAILED', { reason: 'no answer in time' });
        return client.request(request);
      },
    };
    const folders = [join(folder, 'services.d')];
    const catalogue = await ServiceCatalogue.open({ stateFolder: folder, inner: {}, host, clock, folders });
    await expect(catalogue.get('sshserver')).rejects.toMatchObject({ code: 'HOST_HELPER_FAILED' });
    expect(await catalogue.get('sshserver')).toMatchObject({ available: true, actual: true });
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

test('a switch that failed half-way is completed by the next try, in both directions', async () => {
  await withHelper(async (client, machine) => {
    const set = async (enable: boolean) => client.request({ verb: 'setService', id: 'sshserver', enable });
    machine.failing = 'daemon-reload';
    expect(await set(false)).toMatchObject({ active: false, problem: 'no way' });
    expect(machine.blocked.size).toBe(0);
    machine.failing = '';
    expect((await set(false)).problem).toBeUndefined();
    expect(machine.blocked.size).toBe(1);

    machine.failing = 'daemon-reload';
    expect(await set(true)).toMatchObject({ active: false, problem: 'no way' });
    expect(existsSync(machine.dropIn('ssh.service'))).toBe(false);
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
    expect(machine.blocked.size).toBe(0);
  });
});

test('a unit that cannot be kept from being started is told', async () => {
  await withHelper(async (client, _machine, folder) => {
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
    const booted = new Machine(folder);
    // It read the drop-in when it booted.
    await booted.run('systemctl', ['daemon-reload']);
    const entries = await readCatalogue([join(folder, 'services.d')]);
    await (await openHelper({ ...helperSeams(folder), run: booted.run, entries })).start();
    expect(booted.active.has('ssh.service')).toBe(false);
    expect(booted.said.filter((line) => line.includes('daemon-reload'))).toHaveLength(1);
    expect(booted.firewall).toBe(machine.firewall);
  });
});

test('a switch that comes in while the desired state is applied has the last word', async () => {
  await withTempFolder(async (folder) => {
    const catalogue = join(folder, 'services.d');
    await mkdir(catalogue);
    await writeFile(join(catalogue, 'ssh.toml'), SSH_CATALOGUE);
    const machine = new Machine(folder);
    const entries = await readCatalogue([catalogue]);
    // Stopping a unit takes its time; a switch that does not wait its turn is through before.
    const run: Runner = async (command, args, input) => {
      if (args.includes('disable')) await new Promise((resolve) => setTimeout(resolve, 200));
      return machine.run(command, args, input);
    };
    const { handle, start } = await openHelper({ ...helperSeams(folder), run, entries });
    await handle({ verb: 'setService', id: 'sshserver', enable: false });
    await Promise.all([start(), handle({ verb: 'setService', id: 'sshserver', enable: true })]);
    expect(machine.active.has('ssh.service')).toBe(true);
    expect(machine.blocked.size).toBe(0);
  });
});

test.each([
  ['off', { enabled: false, active: false, masked: false }],
  ['running, but not at boot', { enabled: false, active: true, masked: false }],
  ['stopped, but not at boot', { enabled: true, active: false, masked: false }],
  ["under the administrator's own mask", { enabled: false, active: false, masked: true }],
])('a unit that was found %s is found so again after a factory reset', async (_what, found) => {
  await withHelper(async (client, machine) => {
    const unit = 'ssh.service';
    for (const each of ['enabled', 'active', 'masked'] as const) {
      if (found[each]) machine[each].add(unit);
      else machine[each].delete(unit);
    }
    for (const enable of [true, false, true]) {
      await client.request({ verb: 'setService', id: 'sshserver', enable });
      expect(machine.active.has(unit)).toBe(enable);
    }
    const after = await client.request({ verb: 'forgetService', id: 'sshserver' });
    expect(after).toEqual({ id: 'sshserver', available: true, active: found.active });
    expect({
      enabled: machine.enabled.has(unit),
      active: machine.active.has(unit),
      masked: machine.masked.has(unit),
    }).toEqual(found);
    expect(existsSync(machine.dropIn(unit))).toBe(false);
  });
});

test("an administrator's mask outlives a service that is switched off and a factory reset", async () => {
  await withHelper(async (client, machine) => {
    machine.masked.add('ssh.service');
    await client.request({ verb: 'setService', id: 'sshserver', enable: false });
    await client.request({ verb: 'forgetService', id: 'sshserver' });
    expect([...machine.masked]).toEqual(['ssh.service']);
  });
});

test('switching on starts those of several units that were used before', async () => {
  const units = ['ssh.service', 'ssh.socket'];
  await withHelper(async (client, machine) => {
    machine.active.delete('ssh.socket');
    machine.enabled.delete('ssh.socket');
    await client.request({ verb: 'setService', id: 'sshserver', enable: false });
    expect([...machine.blocked]).toEqual(units);
    await client.request({ verb: 'setService', id: 'sshserver', enable: true });
    expect([...machine.active]).toEqual(['ssh.service']);
    expect([...machine.enabled]).toEqual(['ssh.service']);
    expect(machine.blocked.size).toBe(0);
  }, units);
});

test('units that need each other are put back together', async () => {
  const units = ['ssh.service', 'ssh.socket'];
  await withHelper(async (client, machine) => {
    machine.requires.set('ssh.service', 'ssh.socket');
    await client.request({ verb: 'setService', id: 'sshserver', enable: false });
    expect(machine.active.size).toBe(0);
    const after = await client.request({ verb: 'forgetService', id: 'sshserver' });
    expect(after).toEqual({ id: 'sshserver', available: true, active: true });
    expect([...machine.active].sort()).toEqual(units);
    expect([...machine.enabled].sort()).toEqual(units);
  }, units);
});

test('a unit that was found off does not take its fellow with it when it is put back', async () => {
  const units = ['ssh.service', 'ssh.socket'];
  await withHelper(async (client, machine) => {
    machine.also.set('ssh.socket', 'ssh.service');
    machine.active.delete('ssh.socket');
    machine.enabled.delete('ssh.socket');
    await client.request({ verb: 'setService', id: 'sshserver', enable: false });
    await client.request({ verb: 'forgetService', id: 'sshserver' });
    expect([...machine.enabled]).toEqual(['ssh.service']);
    expect([...machine.active]).toEqual(['ssh.service']);
  }, units);
});

test.each([
  ['enabled', true],
  ['disabled', false],
])('an %s unit that a boot has not come to yet is put back as running: %s', async (_what, enabled) => {
  await withHelper(async (client, machine) => {
    machine.active.clear();
    machine.queued.add('ssh.service');
    if (!enabled) machine.enabled.clear();
    await client.request({ verb: 'setService', id: 'sshserver', enable: false });
    machine.queued.clear();
    await client.request({ verb: 'forgetService', id: 'sshserver' });
    expect(machine.active.has('ssh.service')).toBe(enabled);
  });
});

test.each([
  ['ran', true],
  ['did not run', false],
])('a mask of an older build on a unit that %s goes with a factory reset', async (_what, ran) => {
  await withTempFolder(async (folder) => {
    const catalogue = join(folder, 'services.d');
    await mkdir(catalogue);
    await writeFile(join(catalogue, 'ssh.toml'), SSH_CATALOGUE);
    const state = { enable: { sshserver: false }, before: { sshserver: ran } };
    const file = await StoredValue.open(join(folder, 'desired.json'), Type.Any(), {});
    await file.update(() => state);
    const machine = new Machine(folder);
    machine.masked.add('ssh.service');
    machine.active.clear();
    machine.enabled.clear();
    const entries = await readCatalogue([catalogue]);
    const { handle, start } = await openHelper({ ...helperSeams(folder), run: machine.run, entries });
    await start();
    expect(machine.active.size).toBe(0);
    // A purge without a reset removes drop-ins only.
    expect(machine.masked.size).toBe(0);
    expect([...machine.blocked]).toEqual(['ssh.service']);
    // From now on a mask is the administrator's.
    machine.masked.add('ssh.service');
    await start();
    expect([...machine.masked]).toEqual(['ssh.service']);
    await handle({ verb: 'forgetService', id: 'sshserver' });
    expect(machine.masked.size).toBe(0);
    expect(machine.active.has('ssh.service')).toBe(ran);
    expect(machine.blocked.size).toBe(0);
  });
});

test('a service whose package is away at a factory reset can be started when it comes back', async () => {
  await withHelper(async (client, machine) => {
    await client.request({ verb: 'setService', id: 'sshserver', enable: false });
    machine.away = true;
    await client.request({ verb: 'forgetService', id: 'sshserver' });
    expect(existsSync(machine.dropIn('ssh.service'))).toBe(false);
    machine.away = false;
    expect(await client.request({ verb: 'services' })).toEqual({
      services: [{ id: 'sshserver', available: true, active: false }],
    });
  });
});
