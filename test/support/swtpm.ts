import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
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
const START_TIMEOUT_MS = 15_000;

export interface SwtpmOptions {
  /** Lets swtpm_setup make EK certificates (RSA at NV 0x01C00002, ECC at 0x01C00016), signed by a CA of this TPM's own. */
  readonly ekCert?: boolean;
  /** Folder that keeps the TPM's state; it is made when absent and survives stop(). Default: a temporary one. */
  readonly stateDir?: string;
  /** Of another age. */
  readonly version?: '1.2';
}

/** A software TPM of its own for one test. */
export interface Swtpm {
  /** TCTI configuration for the agent, the addon and tpm2-tools (`TPM2TOOLS_TCTI`). */
  readonly tcti: string;
  /** Path of the command socket; the control socket's has `.ctrl` behind it. */
  readonly socket: string;
  /** Changes with every restart. */
  readonly pid: number;
  readonly stateDir: string;
  /** With `ekCert`: folder with the CA certificates (PEM) that signed the EK certificates. */
  readonly caFolder: string;
  /** Ends the TPM; removes the state folder when it is a temporary one. */
  stop(): Promise<void>;
  /** SIGKILL, as a power cut would: what the TPM has not written is lost. The state stays for {@link start}. */
  kill(): Promise<void>;
  /** Starts it again on the same sockets after {@link kill}. */
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

async function whenExited(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  await new Promise<void>((resolve) => child.once('exit', () => resolve()));
}

/** Starts swtpm and waits until it listens. */
async function spawnSwtpm(stateDir: string, socket: string, version: '1.2' | '2.0'): Promise<ChildProcess> {
  // Written after both sockets listen.
  const pidFile = join(stateDir, 'swtpm.pid');
  await Promise.all([pidFile, socket, `${socket}.ctrl`].map(async (path) => await rm(path, { force: true })));
  const child = spawn(
    'swtpm',
    [
      ...['socket', ...(version === '2.0' ? ['--tpm2'] : []), '--tpmstate', `dir=${stateDir}`],
      ...['--server', `type=unixio,path=${socket}`],
      ...['--ctrl', `type=unixio,path=${socket}.ctrl`],
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
    if (child.exitCode !== null) throw new Error(`swtpm ended with ${child.exitCode}: ${complaint}`);
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

/**
 * Starts a software TPM. Fails, saying how to install it, when swtpm is not there.
 * Its sockets are in the file system: the swtpm TCTI connects anew for every command, and over TCP each connection
 * would hold a port for a minute after its end.
 */
export async function startSwtpm(options: SwtpmOptions = {}): Promise<Swtpm> {
  // Not in `stateDir`: a socket's path has 107 bytes at the most.
  const temporary = await mkdtemp(join(tmpdir(), 'tpe-swtpm-'));
  const stateDir = options.stateDir ?? join(temporary, 'state');
  await mkdir(stateDir, { recursive: true });
  const caFolder = join(options.stateDir ?? temporary, 'ca');
  if (options.ekCert) await makeEkCertificates(stateDir, caFolder);

  const socket = join(temporary, 'socket');
  const version = options.version ?? '2.0';
  let current = await spawnSwtpm(stateDir, socket, version);
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    current.kill(signal);
    await whenExited(current);
  };
  const start = async (): Promise<void> => {
    current = await spawnSwtpm(stateDir, socket, version);
  };
  return {
    tcti: `swtpm:path=${socket}`,
    socket,
    get pid() {
      return current.pid ?? 0;
    },
    stateDir,
    caFolder,
    async stop() {
      await end('SIGTERM');
      await rm(temporary, { recursive: true, force: true });
    },
    kill: async () => await end('SIGKILL'),
    start,
    async restart() {
      await end('SIGKILL');
      await start();
    },
    transientHandles: async () => await handlesFrom(socket, TRANSIENT_FIRST),
    async sessions() {
      return [
        ...(await handlesFrom(socket, LOADED_SESSION_FIRST)),
        ...(await handlesFrom(socket, SAVED_SESSION_FIRST)),
      ];
    },
    persistentHandles: async () => await handlesFrom(socket, PERSISTENT_FIRST),
    command: async (bytes) => await rawCommand(socket, bytes),
  };
}
