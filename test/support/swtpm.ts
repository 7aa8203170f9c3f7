import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { type Server, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  LOADED_SESSION_FIRST,
  PERSISTENT_FIRST,
  SAVED_SESSION_FIRST,
  TRANSIENT_FIRST,
  handlesFrom,
  rawCommand,
} from './tpm-wire';

const run = promisify(execFile);
const INSTALL = 'install it with: apt-get install swtpm swtpm-tools libtss2-tcti-swtpm0';
const STARTS_TRIED = 10;
const START_TIMEOUT_MS = 15_000;

export interface SwtpmOptions {
  /** Lets swtpm_setup make EK certificates (RSA at NV 0x01C00002, ECC at 0x01C00016), signed by a CA of this TPM's own. */
  readonly ekCert?: boolean;
  /** Folder that keeps the TPM's state; it is made when absent and survives stop(). Default: a temporary one. */
  readonly stateDir?: string;
}

/** A software TPM of its own for one test. */
export interface Swtpm {
  /** TCTI configuration for the agent, the addon and tpm2-tools (`TPM2TOOLS_TCTI`). */
  readonly tcti: string;
  /** Data port; the control port is the next one. */
  readonly port: number;
  /** Changes with every restart. */
  readonly pid: number;
  readonly stateDir: string;
  /** With `ekCert`: folder with the CA certificates (PEM) that signed the EK certificates. */
  readonly caFolder: string;
  /** Ends the TPM; removes the state folder when it is a temporary one. */
  stop(): Promise<void>;
  /** SIGKILL, as a power cut would: what the TPM has not written is lost. The state stays for {@link start}. */
  kill(): Promise<void>;
  /** Starts it again on the same ports after {@link kill}. */
  start(): Promise<void>;
  /** {@link kill} and {@link start}: TPM Reset; transient objects and sessions are gone, persistent ones stay. */
  restart(): Promise<void>;
  transientHandles(): Promise<number[]>;
  /** Loaded and saved sessions. */
  sessions(): Promise<number[]>;
  persistentHandles(): Promise<number[]>;
  /** Sends one raw TPM command. */
  command(bytes: Uint8Array): Promise<Buffer>;
}

async function listen(port: number): Promise<Server | undefined> {
  return await new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

async function closed(server: Server | undefined): Promise<void> {
  if (server) await new Promise<void>((resolve) => server.close(() => resolve()));
}

/** A port whose successor is free too: the swtpm TCTI expects the control port at data port + 1. */
async function freePortPair(): Promise<number> {
  for (let i = 0; i < 50; i++) {
    const data = await listen(0);
    const address = data?.address();
    const port = typeof address === 'object' && address ? address.port : 65535;
    const control = port < 65535 ? await listen(port + 1) : undefined;
    await Promise.all([closed(data), closed(control)]);
    if (control) return port;
  }
  throw new Error('no two free neighbouring TCP ports found on 127.0.0.1');
}

async function whenExited(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise<void>((resolve) => child.once('exit', () => resolve()));
}

/** Starts swtpm and waits until it answers; `undefined` when another process took one of the ports first. */
async function spawnSwtpm(stateDir: string, port: number): Promise<ChildProcess | undefined> {
  // Written after both sockets listen, so that an answer on the port cannot be another process's.
  const pidFile = join(stateDir, 'swtpm.pid');
  await rm(pidFile, { force: true });
  const child = spawn(
    'swtpm',
    [
      ...['socket', '--tpm2', '--tpmstate', `dir=${stateDir}`],
      ...['--server', `type=tcp,port=${port},bindaddr=127.0.0.1`],
      ...['--ctrl', `type=tcp,port=${port + 1},bindaddr=127.0.0.1`],
      ...['--pid', `file=${pidFile}`, '--flags', 'not-need-init,startup-clear'],
    ],
    { stdio: ['ignore', 'ignore', 'pipe'] },
  );
  let complaint = '';
  child.stderr.on('data', (text) => (complaint += String(text)));
  let missing: unknown;
  child.once('error', (error) => (missing = error));
  const deadline = Date.now() + START_TIMEOUT_MS;
  while (Date.now() < deadline) {
    if (missing) throw new Error(`swtpm cannot be started; ${INSTALL}`, { cause: missing });
    if (child.exitCode !== null) {
      if (/in use|bind/i.test(complaint)) return undefined;
      throw new Error(`swtpm ended with ${child.exitCode}: ${complaint}`);
    }
    if ((await readFile(pidFile, 'utf8').catch(() => '')).trim() === String(child.pid)) return child;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  child.kill('SIGKILL');
  throw new Error(`swtpm did not listen within ${START_TIMEOUT_MS} ms: ${complaint}`);
}

/** Makes the EK certificates by a CA below `folder`, so that tests running at the same time share nothing. */
async function makeEkCertificates(stateDir: string, caFolder: string): Promise<void> {
  // The CA's private keys stay out of the folder of certificates.
  const work = `${caFolder}-work`;
  await Promise.all([mkdir(caFolder, { recursive: true }), mkdir(work, { recursive: true })]);
  const file = (name: string): string => join(work, name);
  await writeFile(
    file('localca.conf'),
    [
      `statedir = ${work}`,
      `signingkey = ${file('signkey.pem')}`,
      `issuercert = ${file('issuercert.pem')}`,
      `certserial = ${file('certserial')}`,
    ].join('\n'),
  );
  await writeFile(
    file('localca.options'),
    '--platform-manufacturer Moxa\n--platform-version 1.0\n--platform-model UC-8200\n',
  );
  await writeFile(
    file('setup.conf'),
    [
      'create_certs_tool = /usr/bin/swtpm_localca',
      `create_certs_tool_config = ${file('localca.conf')}`,
      `create_certs_tool_options = ${file('localca.options')}`,
    ].join('\n'),
  );
  try {
    await run('swtpm_setup', [
      ...['--tpm2', '--tpmstate', stateDir, '--config', file('setup.conf')],
      ...['--create-ek-cert', '--create-platform-cert', '--overwrite'],
    ]);
  } catch (error) {
    throw new Error(`swtpm_setup failed; when it is missing, ${INSTALL}`, { cause: error });
  }
  for (const name of ['issuercert.pem', 'swtpm-localca-rootca-cert.pem']) {
    await copyFile(file(name), join(caFolder, name));
  }
}

/** Starts a software TPM on free ports. Fails, saying how to install it, when swtpm is not there. */
export async function startSwtpm(options: SwtpmOptions = {}): Promise<Swtpm> {
  const temporary = options.stateDir === undefined ? await mkdtemp(join(tmpdir(), 'tpe-swtpm-')) : undefined;
  const stateDir = options.stateDir ?? join(temporary ?? '', 'state');
  await mkdir(stateDir, { recursive: true });
  const caFolder = join(temporary ?? stateDir, 'ca');
  if (options.ekCert) await makeEkCertificates(stateDir, caFolder);

  let port = 0;
  let child: ChildProcess | undefined;
  for (let tries = 0; child === undefined && tries < STARTS_TRIED; tries++) {
    port = await freePortPair();
    child = await spawnSwtpm(stateDir, port);
  }
  if (!child) throw new Error(`swtpm found its ports taken ${STARTS_TRIED} times`);
  let current = child;
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    current.kill(signal);
    await whenExited(current);
  };
  const start = async (): Promise<void> => {
    const again = await spawnSwtpm(stateDir, port);
    if (!again) throw new Error(`port ${port} was taken while swtpm was down`);
    current = again;
  };
  return {
    tcti: `swtpm:host=127.0.0.1,port=${port}`,
    port,
    get pid() {
      return current.pid ?? 0;
    },
    stateDir,
    caFolder,
    async stop() {
      await end('SIGTERM');
      if (temporary !== undefined) await rm(temporary, { recursive: true, force: true });
    },
    kill: async () => await end('SIGKILL'),
    start,
    async restart() {
      await end('SIGKILL');
      await start();
    },
    transientHandles: async () => await handlesFrom(port, TRANSIENT_FIRST),
    async sessions() {
      return [
        ...(await handlesFrom(port, LOADED_SESSION_FIRST)),
        ...(await handlesFrom(port, SAVED_SESSION_FIRST)),
      ];
    },
    persistentHandles: async () => await handlesFrom(port, PERSISTENT_FIRST),
    command: async (bytes) => await rawCommand(port, bytes),
  };
}
