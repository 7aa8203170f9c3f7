import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { createLogger } from '../../src/common/logger';
import { ADMIN_TOKEN_FILE } from '../../src/emulator/admin/token';
import {
  type EmulatorOptions,
  type ReadyLine,
  type RunningEmulator,
  startEmulator as start,
} from '../../src/emulator/emulator';

const START_TIMEOUT_MS = 30_000;

/** Parts of the ready line that tests need again and again. */
export interface EmulatorAddresses {
  readonly ready: ReadyLine;
  /** PEM of the CA. */
  readonly ca: string;
  readonly dpsPort: number;
  readonly servicePort: number;
  readonly hubPort: number;
  readonly stateFolder: string;
  readonly adminToken: string;
}

export interface TestEmulator extends RunningEmulator, EmulatorAddresses {
  /** What it logged, one JSON line each. */
  readonly log: string[];
  /** Ends it; removes the state when it is a temporary folder. */
  end(): Promise<void>;
  /** Ends it and starts another on the same state and ports. */
  restart(): Promise<TestEmulator>;
}

async function addresses(ready: ReadyLine, stateFolder: string): Promise<EmulatorAddresses> {
  const portOf = (url: string): number => Number(url.slice(url.lastIndexOf(':') + 1));
  return {
    ready,
    ca: await readFile(ready.ca, 'utf8'),
    dpsPort: portOf(ready.dps),
    servicePort: portOf(ready.service),
    hubPort: portOf(ready.hub),
    stateFolder,
    adminToken: (await readFile(join(stateFolder, ADMIN_TOKEN_FILE), 'utf8')).trim(),
  };
}

/**
 * Starts an emulator in this process, on free ports and a temporary state folder unless said otherwise. Devices are
 * told to poll at once.
 */
export async function startEmulator(options: Partial<EmulatorOptions> = {}): Promise<TestEmulator> {
  const temporary = options.stateFolder === undefined;
  const stateFolder = options.stateFolder ?? (await mkdtemp(join(tmpdir(), 'tpe-emulator-')));
  const log: string[] = [];
  const logger = createLogger('emulator', 'info', { write: (line) => log.push(line) });
  const emulator = await start({
    logger,
    ...options,
    stateFolder,
    settings: { retryAfterSeconds: 0, ...options.settings },
  });
  const where = await addresses(emulator.ready, stateFolder);
  return {
    ...emulator,
    ...where,
    log,
    async end() {
      await emulator.stop();
      if (temporary) await rm(stateFolder, { recursive: true, force: true, maxRetries: 5 });
    },
    async restart() {
      await emulator.stop();
      const { dpsPort, servicePort, hubPort } = where;
      const again = await startEmulator({ ...options, stateFolder, dpsPort, servicePort, hubPort });
      return {
        ...again,
        async end() {
          await again.end();
          if (temporary) await rm(stateFolder, { recursive: true, force: true, maxRetries: 5 });
        },
      };
    },
  };
}

export interface EmulatorProcess extends EmulatorAddresses {
  readonly child: ChildProcess;
  /** Lines of stderr so far. */
  readonly log: string[];
  /** SIGTERM, and waits. @returns the exit code */
  end(): Promise<number | null>;
}

/** Starts the built program `dist/tpe-cloud-emulator.cjs` and waits for its ready line. */
export async function spawnEmulator(
  stateFolder: string,
  args: readonly string[] = [],
): Promise<EmulatorProcess> {
  const program = resolve(__dirname, '../../dist/tpe-cloud-emulator.cjs');
  const child = spawn(process.execPath, [program, '--state', stateFolder, '--retry-after', '0', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const log: string[] = [];
  createInterface({ input: child.stderr }).on('line', (line) => log.push(line));
  const line = await new Promise<string>((resolveLine, reject) => {
    const fail = (why: string): void => {
      child.kill('SIGKILL');
      reject(new Error(`tpe-cloud-emulator ${why}\n${log.join('\n')}`));
    };
    const timer = setTimeout(() => fail(`was not ready within ${START_TIMEOUT_MS} ms`), START_TIMEOUT_MS);
    child.once('error', (error) => fail(`could not be started: ${error.message}`));
    child.once('exit', (code) => fail(`ended with ${code}`));
    createInterface({ input: child.stdout }).once('line', (first) => {
      clearTimeout(timer);
      child.removeAllListeners('exit');
      resolveLine(first);
    });
  });
  return {
    ...(await addresses(JSON.parse(line) as ReadyLine, stateFolder)),
    child,
    log,
    async end() {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = new Promise((done) => child.once('exit', done));
        child.kill('SIGTERM');
        await exited;
      }
      return child.exitCode;
    },
  };
}
