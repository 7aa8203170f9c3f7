import { readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { callAgent } from '../../src/agentctl/control-client';
import { Gateway } from '../support/gateway';
import { Program } from '../support/process';
import { NotifyReceiver } from '../support/notify-receiver';
import { type Swtpm, startSwtpm } from '../support/swtpm';
import { withTempFolder } from '../support/temp';
import { waitFor } from '../support/wait';

let tpm: Swtpm;
beforeAll(async () => {
  tpm = await startSwtpm();
});
afterAll(() => tpm.stop());

/** An agent whose service manager listens, not started yet. */
async function withService(
  tcti: string,
  body: (gateway: Gateway, manager: NotifyReceiver, folder: string) => Promise<void>,
  more?: string,
): Promise<void> {
  await withTempFolder(async (folder) => {
    const socket = join(folder, 'notify');
    const manager = await NotifyReceiver.start(socket);
    const gateway = new Gateway({
      folder,
      tcti,
      env: { NOTIFY_SOCKET: socket },
      ...(more === undefined ? {} : { more }),
    });
    try {
      await body(gateway, manager, folder);
    } finally {
      await gateway.stop();
      await manager.stop();
    }
  });
}

/** A TPM that takes commands and never answers, as a hung chip or simulator does. */
async function withSilentTpm(body: (tcti: string) => Promise<void>): Promise<void> {
  await withTempFolder(async (folder) => {
    const servers = await Promise.all(
      ['tpm', 'tpm.ctrl'].map(async (name) => {
        const server = createServer((socket) => socket.on('error', () => undefined));
        await new Promise<void>((resolve) => server.listen(join(folder, name), resolve));
        return server;
      }),
    );
    try {
      await body(`swtpm:path=${join(folder, 'tpm')}`);
    } finally {
      for (const server of servers) server.close();
    }
  });
}

const controlSocket = (gateway: Gateway): string => join(gateway.stateFolder, 'run', 'control.sock');
const texts = (manager: NotifyReceiver): string[] => manager.notices.map(({ text }) => text);
const readies = (manager: NotifyReceiver): number =>
  texts(manager).filter((text) => text === 'READY=1').length;

/** Sends SIGTERM. @returns exit code and seconds until the end */
async function terminated(gateway: Gateway): Promise<[code: number | null, soon: boolean]> {
  const started = performance.now();
  const code = await gateway.stop();
  return [code, performance.now() - started < 5000];
}

describe('a TPM that stays silent', () => {
  it('does not keep the gateway from being managed, nor the service from being ready and from ending', () =>
    withSilentTpm((tcti) =>
      withService(tcti, async (gateway) => {
        await gateway.start();
        await gateway.takeOver();
        expect(await terminated(gateway)).toEqual([0, true]);
      }),
    ));

  it('does not keep SIGTERM from ending an agent that is still starting', () =>
    withSilentTpm((tcti) =>
      withService(tcti, async (gateway, manager) => {
        void gateway.start().catch(() => undefined);
        await waitFor('the control socket', () => stat(controlSocket(gateway)).catch(() => undefined));
        expect(await terminated(gateway)).toEqual([0, true]);
        expect(readies(manager)).toBeLessThanOrEqual(1);
      }),
    ));
});

test('a mistake in the settings is an error of the journal and the status of the unit, and nothing was started', () =>
  withTempFolder(async (folder) => {
    const [socket, config] = [join(folder, 'notify'), join(folder, 'config.toml')];
    await writeFile(config, `[paths]\nstate = "${join(folder, 'state')}"\n[discovery]\nprot = 1\n`);
    const manager = await NotifyReceiver.start(socket);
    try {
      const env = { NOTIFY_SOCKET: socket, JOURNAL_STREAM: '8:1' };
      const program = new Program('tpe-agent', ['--config', config], env);
      expect((await program.exited).code).toBe(1);
      const [first, second, end] = program.stderr.split('\n');
      expect(first).toBe(`<3>error SETTINGS_INVALID: ${config}:4: discovery.prot: there is no such key`);
      expect(second).toMatch(/^<3> {2}what to do: \S/);
      expect(end).toBe('');
      await waitFor('the status', () => texts(manager).length > 0);
      expect(texts(manager)).toEqual([
        expect.stringMatching(/^STATUS=SETTINGS_INVALID: .*:4: discovery\.prot/),
      ]);
      await expect(stat(join(folder, 'state'))).rejects.toThrow('ENOENT');
    } finally {
      await manager.stop();
    }
  }));

describe('a factory reset under a service manager', () => {
  it('never says STOPPING=1, which systemd would take for the end and kill the agent for', () =>
    withService(tpm.tcti, async (gateway, manager) => {
      await gateway.start();
      await callAgent(controlSocket(gateway), 'factoryReset');
      await waitFor('the second start', () => readies(manager) === 2);
      expect(texts(manager)).not.toContain('STOPPING=1');
      expect(await gateway.stop()).toBe(0);
      expect(texts(manager)).toContain('STOPPING=1');
    }));

  it('does not lose a SIGTERM that comes between the two starts', () =>
    withService(tpm.tcti, async (gateway) => {
      await gateway.start();
      // A request that never ends keeps the API, and so the first run, for the time that requests are given.
      const client = connect({ port: gateway.apiPort, host: '127.0.0.1', rejectUnauthorized: false });
      client.on('error', () => undefined);
      await new Promise<void>((resolve) => client.once('secureConnect', resolve));
      client.write('GET /api/v1/health HTTP/1.1\r\nHost: x\r\n');
      await callAgent(controlSocket(gateway), 'factoryReset');
      await waitFor(
        'the end of the first run',
        async () => (await callAgent(controlSocket(gateway), 'status').catch(() => ({}))) === undefined,
      );
      expect(await terminated(gateway)).toEqual([0, true]);
      client.destroy();
    }));
});

describe('SIGHUP', () => {
  it('changes the log level of every part', () =>
    withService(
      tpm.tcti,
      async (gateway, manager) => {
        void gateway.start().catch(() => undefined);
        await waitFor('ready', () => readies(manager) === 1);
        const answer = (await callAgent(controlSocket(gateway), 'status')) as {
          data: { api: { port: number } };
        };
        gateway.apiPort = answer.data.api.port;
        const settings = await readFile(gateway.config, 'utf8');
        await writeFile(gateway.config, settings.replace('level = "warn"', 'level = "info"'));
        gateway.process!.kill('SIGHUP');
        await gateway.process!.line((line) => String(line['msg']).startsWith('settings reloaded'), 'reload');
        await gateway.takeOver();
        await gateway.data('PATCH', '/azure-iotedge', {
          provisioning: { source: 'dps', method: 'tpm', scopeId: '0ne1', enable: true },
        });
        await gateway.process!.line(({ part, msg }) => part === 'connection' && msg === 'state', 'a state');
      },
      '[log]\nlevel = "warn"',
    ));
});
