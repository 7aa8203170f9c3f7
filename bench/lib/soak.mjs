// The agent with a clock that the bench moves, on a real TPM, connected to the emulator: for what a long life costs.
import { appendFileSync, copyFileSync, readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { join } from 'node:path';
import { program, startPeer } from './peer.mjs';
import { call, cpuMs, nodeOfMajor, provision } from './rig.mjs';

/** PSS, and what of it is anonymous: no file has it, so that the kernel cannot take it back; in MiB (proc(5), smaps_rollup). */
function memoryOf(pid) {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const mib = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1024;
  return { pss: mib('Pss'), anonymous: mib('Pss_Anon') };
}

export const DAY_MS = 86_400_000;
/** With it there are ten messages between two renewals, as in the figures that are asked for. */
export const TELEMETRY_SEC = 285;
const CALLS_A_DAY = 50;
const CONNECTIONS = 8;

export class Soak {
  constructor(rig, parts) {
    Object.assign(this, { rig, ...parts });
  }

  async ask(what) {
    return JSON.parse(await this.agent.ask(what));
  }

  /** Logs in, as somebody would each morning, and hands out a function that calls; kept-alive connections end with it. */
  async session(work) {
    const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
    const api = async (method, path, more) => {
      const { status, body } = await call(this.ports.apiPort, method, path, { ...more, agent });
      if (status !== 200) throw new Error(`${method} ${path}: ${status} ${JSON.stringify(body)}`);
      return body.data;
    };
    try {
      const body = { acceptEULA: true, name: 'admin', password: this.password };
      const { token } = await api('POST', '/auth', { body });
      return await work((path) => api('GET', path, { token }));
    } finally {
      agent.destroy();
    }
  }

  async calls(count) {
    let left = count;
    await this.session(async (get) => {
      const client = async () => {
        while ((left -= 1) >= 0) await get('/device/general');
      };
      await Promise.all(Array.from({ length: CONNECTIONS }, client));
    });
  }

  async counters() {
    return (await this.session((get) => get('/provisioning'))).counters;
  }

  /** One day; CPU time in milliseconds, then what the process holds after a collection. */
  async day() {
    const before = cpuMs(this.agent.pid);
    const held = await this.ask(`pass ${DAY_MS}`);
    await this.calls(CALLS_A_DAY);
    return { cpu: cpuMs(this.agent.pid) - before, ...held };
  }

  /** After a collection, when nothing has moved for two seconds. */
  async memory() {
    for (let round = 0; round < 2; round += 1) {
      await this.ask('held');
      await new Promise((done) => setTimeout(done, 2000));
    }
    return memoryOf(this.agent.pid);
  }

  /** Starts it again: connected from the cached assignment, without what only a registration loads. */
  async restart() {
    await this.agent.close();
    this.agent = await this.start();
    this.ports = JSON.parse(await this.agent.ask('ports'));
  }
}

/** Starts the agent and has tpe-provision bring it to the hub; time passes as it does meanwhile. */
export async function openSoak(rig, cloud) {
  const config = rig.agentConfig({ tcti: await rig.swtpm(), cloud });
  appendFileSync(config, `telemetryPeriodSec = ${TELEMETRY_SEC}\n`);
  const file = await program(rig.folder, 'soak-agent', { asBuilt: true });
  // As in systemd/tpe-agent.service.
  const env = { MALLOC_ARENA_MAX: '1' };
  // A binary of its own, so that PSS does not depend on who else runs it.
  const node = join(rig.folder, 'node-soak');
  copyFileSync(nodeOfMajor(22), node);
  const start = async () => await startPeer(node, ['--expose-gc', file, config], env);
  const agent = await start();
  const ports = JSON.parse(await agent.ask('ports'));
  let over = false;
  const passing = (async () => {
    while (!over) {
      await agent.ask('pass 50');
      await new Promise((done) => setTimeout(done, 50));
    }
  })();
  try {
    const password = await provision(rig, ports, cloud);
    return new Soak(rig, { agent, start, node, ports, password });
  } finally {
    over = true;
    await passing;
  }
}
