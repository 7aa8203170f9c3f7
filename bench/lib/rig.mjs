// Starts the real parts for a bench: swtpm, emulator, agent, other Node versions. Everything ends with `close()`.
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { emulatedNode, target } from './target.mjs';

export const root = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const PASSWORD = 'Bench-4711-pw';

/** Median of numbers. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/** The p-th percentile (0–100). */
export function percentile(values, p) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * p) / 100))] ?? NaN;
}

/** CPU time in milliseconds that all threads of a process have used so far (proc(5), schedstat). */
export function cpuMs(pid) {
  let total = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    try {
      total += Number(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8').split(' ')[0]);
    } catch {
      // The thread ended between the two reads.
    }
  }
  return total / 1e6;
}

/** Proportional set size in MiB. */
export function pssMiB(pid) {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1]) / 1024;
}

/** The binary of another major version of Node.js, from npm's packages of it, kept in the ignored cache. */
export function nodeOfMajor(major) {
  const emulated = emulatedNode(major);
  if (emulated !== undefined) return emulated;
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const architecture = { x64: 'x64', arm64: 'arm64' }[process.arch];
  if (architecture === undefined) throw new Error(`npm has no Node.js ${major} for ${process.arch}`);
  const folder = join(root, '.cache', `node${major}`);
  const binary = join(folder, `node_modules/node-linux-${architecture}/bin/node`);
  if (!existsSync(binary)) {
    mkdirSync(folder, { recursive: true });
    const args = [
      'i',
      '--no-save',
      '--no-audit',
      '--no-fund',
      '--prefix',
      folder,
      `node-linux-${architecture}@${major}`,
    ];
    const run = spawnSync('npm', args, { encoding: 'utf8', cwd: folder });
    if (run.status !== 0) throw new Error(`Node.js ${major} could not be installed: ${run.stderr}`);
  }
  return binary;
}

/** What ours runs on where the version does not matter. */
export function nodeInUse() {
  return emulatedNode(target.majors[0]) ?? process.execPath;
}

/** Everything of one bench; `close` ends it. */
export class Rig {
  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'tpe-bench-'));
    this.children = [];
    this.count = 0;
  }

  spawn(command, args, env = {}) {
    const child = spawn(command, args, {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.children.push(child);
    child.stderr.resume();
    return child;
  }

  async line(child, match, timeoutMs = 60_000) {
    return await new Promise((done, refuse) => {
      const timer = setTimeout(
        () => refuse(new Error('a process of the bench said nothing useful')),
        timeoutMs,
      );
      child.once('exit', (code) => refuse(new Error(`a process of the bench ended with ${code}`)));
      createInterface({ input: child.stdout }).on('line', (line) => {
        const found = match(line);
        if (found === undefined) return;
        clearTimeout(timer);
        done(found);
      });
    });
  }

  async swtpm() {
    const name = `tpm${(this.count += 1)}`;
    const state = join(this.folder, name);
    mkdirSync(state);
    const socket = join(this.folder, `${name}.sock`);
    const server = ['--server', `type=unixio,path=${socket}`, '--ctrl', `type=unixio,path=${socket}.ctrl`];
    this.spawn('swtpm', [
      'socket',
      '--tpm2',
      '--tpmstate',
      `dir=${state}`,
      ...server,
      '--flags',
      'not-need-init,startup-clear',
    ]);
    while (!existsSync(socket) || !existsSync(`${socket}.ctrl`))
      await new Promise((done) => setTimeout(done, 5));
    return `swtpm:path=${socket}`;
  }

  async emulator() {
    const state = join(this.folder, 'cloud');
    const child = this.spawn(process.execPath, [
      join(root, 'dist/tpe-cloud-emulator.cjs'),
      '--state',
      state,
      '--retry-after',
      '0',
    ]);
    const ready = await this.line(child, (line) => JSON.parse(line));
    return { ...ready, pid: child.pid, state };
  }

  /** Settings file of one agent with fresh state. */
  agentConfig({ tcti, cloud, state }) {
    const name = `agent${(this.count += 1)}`;
    const config = join(this.folder, `${name}.toml`);
    const quoted = JSON.stringify;
    const azure =
      cloud === undefined ? '' : `trustedCaFile = ${quoted(cloud.ca)}\nhubGateway = ${quoted(cloud.hub)}`;
    writeFileSync(
      config,
      `[paths]\nstate = ${quoted(state ?? join(this.folder, name))}\n[device]\nserialNumber = "TAICB1046771"\nmodelName = "UC-8100A-ME-T-LX"\n` +
        `macAddress = "0090e87946b5"\nfirmwareVersion = "1.3.2"\n[tpm]\ntcti = ${quoted(tcti)}\n[discovery]\naddress = "127.0.0.1"\nport = 0\n` +
        `[api]\naddress = "::"\nport = 0\n[azure]\ndpsHosts = ["localhost"]\n${azure}\n`,
    );
    return config;
  }

  /** Starts an agent; resolves when it says that it is ready, with the CPU time that took. */
  async agent({
    config,
    node = process.execPath,
    program = join(root, 'dist/tpe-agent.cjs'),
    nodeArgs = [],
    env = {},
  }) {
    const started = performance.now();
    const child = this.spawn(node, [...nodeArgs, program, '--config', config], env);
    const ready = await this.line(child, (line) => {
      if (!line.includes('"event":"ready"')) return undefined;
      return { ...JSON.parse(line), cpu: cpuMs(child.pid), wall: performance.now() - started };
    });
    return { ...ready, child, pid: child.pid };
  }

  async end(child) {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((done) => child.once('exit', done));
    child.kill('SIGTERM');
    const harder = setTimeout(() => child.kill('SIGKILL'), 6000);
    await gone;
    clearTimeout(harder);
  }

  async close() {
    await Promise.all(this.children.map((child) => this.end(child)));
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** One REST call to an agent on loopback. */
export async function call(port, method, path, { token, body, agent } = {}) {
  return await new Promise((done, refuse) => {
    const headers = {
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    };
    const one = request(
      { host: '127.0.0.1', port, method, path: `/api/v1${path}`, headers, rejectUnauthorized: false, agent },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
        const isJson = response.headers['content-type']?.startsWith('application/json') === true;
        response.on('end', () =>
          done({ status: response.statusCode, text, body: isJson ? JSON.parse(text) : undefined }),
        );
      },
    );
    one.on('error', refuse);
    one.end(body === undefined ? undefined : JSON.stringify(body));
  });
}

/** First login with the factory's password, the forced change, and a token. */
export async function tokenOf(port) {
  const login = async (password) =>
    (await call(port, 'POST', '/auth', { body: { acceptEULA: true, name: 'admin', password } })).body;
  const first = (await login('admin@123')).data?.token;
  if (first !== undefined)
    await call(port, 'PUT', '/users/me/password', { token: first, body: { newPassword: PASSWORD } });
  return (await login(PASSWORD)).data.token;
}

/** Enrolls through tpe-provision and waits until the agent is connected. */
export async function provision(rig, agent, cloud) {
  const passwordFile = join(rig.folder, 'password');
  writeFileSync(passwordFile, PASSWORD, { mode: 0o600 });
  const child = rig.spawn(
    process.execPath,
    [
      ...[join(root, 'dist/tpe-provision.cjs'), 'run', '--json', '--trust-on-first-use'],
      ...['--target', `127.0.0.1:${agent.discoveryPort}`, '--dps-endpoint', cloud.service],
      ...['--policy-name', cloud.policyName, '--id-scope', cloud.idScope, '--global-endpoint', cloud.dps],
      ...['--dps-ca', cloud.ca, '--new-password-file', passwordFile],
    ],
    { TPE_POLICY_KEY: cloud.policyKey, XDG_STATE_HOME: join(rig.folder, 'xdg') },
  );
  child.stdout.resume();
  const code = await new Promise((done) => child.once('exit', done));
  if (code !== 0) throw new Error(`tpe-provision ended with ${code}`);
  return PASSWORD;
}
