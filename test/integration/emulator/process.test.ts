import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { createSecureContext } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { dpsDevice, dpsService, enroll, hubService, admin, registerSoftly } from '../../support/azure-client';
import { spawnEmulator, startEmulator } from '../../support/emulator';
import { MqttDevice } from '../../support/mqtt-device';
import { newSoftTpm } from '../../support/soft-tpm';
import { withTempFolder } from '../../support/temp';
import { waitFor } from '../../support/wait';
import { runEmulator } from '../../support/emulator-run';

const tpm = newSoftTpm();

describe('the program', () => {
  test('prints one ready line on stdout, serves, and ends with 0 on SIGTERM', async () => {
    await withTempFolder(async (folder) => {
      const emulator = await spawnEmulator(folder);
      expect(Object.keys(emulator.ready)).toEqual([
        'dps',
        'service',
        'hub',
        'hubHostName',
        'idScope',
        'ca',
        'policyName',
        'policyKey',
      ]);
      expect(emulator.ready.dps).toMatch(/^https:\/\/localhost:\d+$/);
      expect(emulator.ready.hub).toMatch(/^localhost:\d+$/);
      await enroll(emulator, 'p1', tpm);
      const { state, hubKey } = await registerSoftly(emulator, 'p1', tpm);
      const identity = { hub: state.assignedHub, deviceId: 'p1', key: hubKey! };
      const { device } = await MqttDevice.connect(emulator, identity);
      device.publish('devices/p1/messages/events/', '{"t":20}', { qos: 1, messageId: 1 });
      await device.next((packet) => packet.cmd === 'puback');
      expect(await emulator.end()).toBe(0);
      expect(emulator.log.some((line) => line.includes('telemetry') && line.includes('{\\"t\\":20}'))).toBe(
        true,
      );
      expect(emulator.log.join('\n')).not.toContain(emulator.ready.policyKey);
    });
  });

  test('ends although a call waits for an answer that a fault never lets go', async () => {
    await withTempFolder(async (folder) => {
      const emulator = await spawnEmulator(folder);
      await enroll(emulator, 'p1', tpm);
      const rule = { point: 'dps-challenge', action: { type: 'silence' } };
      expect((await admin(emulator, 'POST', '/faults', rule)).status).toBe(201);
      const body = { tpm: { endorsementKey: tpm.endorsementKey, storageRootKey: tpm.storageRootKey } };
      const call = dpsDevice(emulator, 'PUT', '/registrations/p1/register', body).catch(() => 'dropped');
      await waitFor('the call to arrive', async () => {
        const { faults } = (await admin(emulator, 'GET', '/faults')).body as { faults: { struck: number }[] };
        return faults[0]?.struck === 1;
      });
      expect(await emulator.end()).toBe(0);
      expect(await call).toBe('dropped');
    });
  });

  test('keeps keys and tokens from other users', async () => {
    await withTempFolder(async (folder) => {
      const emulator = await startEmulator({ stateFolder: folder });
      await enroll(emulator, 'p1', tpm);
      await emulator.end();
      for (const name of ['ca.key', 'admin-token', 'instance.json', 'enrollments/p1.json']) {
        expect((await stat(join(folder, name))).mode & 0o077).toBe(0);
      }
    });
  });

  test.each([
    [['--state', '/tmp/x', '--dps-port', '70000'], 2],
    [['--state', '/tmp/x', '--hubs', '0'], 2],
    [['--hubs', '1'], 2],
    [['--unknown'], 2],
    [['--version'], 0],
  ])('%j ends with %i', async (args, code) => {
    expect((await runEmulator(args)).code).toBe(code);
  });

  test('a port that is taken: error EMU_LISTEN_FAILED and what to do, exit 1', async () => {
    const blocker = createServer();
    await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve));
    const { port } = blocker.address() as AddressInfo;
    await withTempFolder(async (folder) => {
      const run = await runEmulator(['--state', folder, '--hub-port', String(port)]);
      expect(run.code).toBe(1);
      expect(run.stderr).toContain('error EMU_LISTEN_FAILED');
      expect(run.stderr).toContain('what to do:');
      expect(run.stdout).toBe('');
    });
    await new Promise((resolve) => blocker.close(resolve));
  });

  test('a faults file that is wrong: exit 1 before anything listens', async () => {
    await withTempFolder(async (folder) => {
      const file = join(folder, 'faults.yaml');
      await writeFile(file, '- {point: moon, action: {type: drop}}');
      const run = await runEmulator(['--state', join(folder, 'state'), '--faults', file]);
      expect(run.code).toBe(1);
      expect(run.stderr).toContain('EMU_OPTION_INVALID');
    });
  });
});

describe('a restart', () => {
  test('keeps CA, names, keys, enrollments, registrations, identities and twins', async () => {
    const first = await startEmulator({ hubs: 2 });
    await enroll(first, 'kept', tpm, { initialTwin: { tags: { line: 7 } } });
    const { state, hubKey } = await registerSoftly(first, 'kept', tpm);
    const identity = { hub: state.assignedHub, deviceId: 'kept', key: hubKey! };
    const before = await MqttDevice.connect(first, identity);
    await before.device.subscribe('$iothub/twin/res/#');
    before.device.publish('$iothub/twin/PATCH/properties/reported/?$rid=1', '{"a":1}');
    await before.device.message('$iothub/twin/res/204/');

    const second = await first.restart();
    try {
      expect(second.ready).toEqual(first.ready);
      expect(second.ca).toBe(first.ca);
      const enrollment = await dpsService(second, 'GET', '/enrollments/kept');
      expect(enrollment.body).toMatchObject({ registrationState: { status: 'assigned' } });
      const after = await MqttDevice.connect(second, identity);
      expect(after.code).toBe(0);
      await after.device.subscribe('$iothub/twin/res/#');
      after.device.publish('$iothub/twin/GET/?$rid=2', '');
      const { text } = await after.device.message('$iothub/twin/res/200/');
      expect(JSON.parse(text)).toMatchObject({ reported: { a: 1, $version: 2 } });
      const { hubs } = (await admin(second, 'GET', '/hubs')).body as {
        hubs: { hostName: string; policyName: string; policyKey: string }[];
      };
      const hub = hubs.find((h) => h.hostName === state.assignedHub)!;
      const twin = await hubService(second, hub, 'GET', '/twins/kept');
      expect(twin.body).toMatchObject({ tags: { line: 7 }, connectionState: 'Connected' });
      after.device.end();
    } finally {
      await second.end();
    }
  });

  test('after a deletion brings nothing back', async () => {
    const first = await startEmulator();
    await enroll(first, 'gone', tpm);
    await dpsService(first, 'DELETE', '/enrollments/gone');
    expect(await readdir(join(first.stateFolder, 'enrollments'))).toEqual([]);
    const second = await first.restart();
    expect((await dpsService(second, 'GET', '/enrollments/gone')).status).toBe(404);
    await second.end();
  });

  test('with more hubs adds them; the certificate covers their names', async () => {
    await withTempFolder(async (folder) => {
      const one = await startEmulator({ stateFolder: folder });
      await one.end();
      const three = await startEmulator({
        stateFolder: folder,
        hubs: 3,
        names: ['emulator.example', '192.0.2.7'],
      });
      expect(three.hubs.size).toBe(3);
      expect(three.ready.idScope).toBe(one.ready.idScope);
      createSecureContext({ ca: three.ca });
      expect(new X509Certificate(await readFile(three.ready.ca)).ca).toBe(true);
      await three.end();
    });
  });

  test.each([0, 1, 40])('with a record cut at byte %i goes on with its twin', async (bytes) => {
    await withTempFolder(async (folder) => {
      const first = await startEmulator({ stateFolder: folder });
      await enroll(first, 'cut', tpm);
      await first.end();
      const file = join(folder, 'enrollments', 'cut.json');
      await writeFile(file, (await readFile(file)).subarray(0, bytes));
      const second = await startEmulator({ stateFolder: folder });
      expect((await dpsService(second, 'GET', '/enrollments/cut')).status).toBe(200);
      await second.end();
    });
  });

  test('after a kill -9 in the middle of writes has everything that was answered', async () => {
    await withTempFolder(async (folder) => {
      const emulator = await spawnEmulator(folder);
      const exited = new Promise((resolve) => emulator.child.once('exit', resolve));
      const answered: string[] = [];
      const writes = Array.from({ length: 40 }, async (_, i) => {
        const { status } = await enroll(emulator, `k${i}`, tpm);
        if (status === 200) answered.push(`k${i}`);
        if (answered.length === 10) emulator.child.kill('SIGKILL');
      });
      await Promise.allSettled(writes);
      await exited;
      expect(answered.length).toBeGreaterThanOrEqual(10);
      const again = await startEmulator({ stateFolder: folder });
      for (const id of answered) {
        expect((await dpsService(again, 'GET', `/enrollments/${id}`)).status).toBe(200);
      }
      await again.end();
    });
  });

  test('with both copies of a record damaged refuses to start and names the file', async () => {
    await withTempFolder(async (folder) => {
      const first = await startEmulator({ stateFolder: folder });
      await enroll(first, 'lost', tpm);
      await first.end();
      const file = join(folder, 'enrollments', 'lost.json');
      await writeFile(file, '{');
      await writeFile(`${file}.twin`, '{');
      await expect(startEmulator({ stateFolder: folder })).rejects.toMatchObject({ code: 'STATE_DAMAGED' });
    });
  });
});
