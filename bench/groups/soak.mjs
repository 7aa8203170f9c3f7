// What a long life costs: the agent with a clock that the bench moves, on a real TPM, connected to the emulator. Thirty
// days of token renewals, health messages and some use of the API, the first week beside the last; then on until it has
// sent 100,000 messages, renewed 10,000 tokens and answered 100,000 calls: PSS after a forced collection, and when nothing
// has moved for two seconds, beside PSS before all that.
import { appendFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { against, compare, report } from '../lib/figure.mjs';
import { program, startPeer } from '../lib/peer.mjs';
import { lines } from '../lib/plot.mjs';
import { Rig, call, cpuMs, nodeOfMajor, provision, pssMiB } from '../lib/rig.mjs';

const DAY_MS = 86_400_000;
const WEEK = 7;
/** With it there are ten messages between two renewals, as in the figures that are asked for. */
const TELEMETRY_SEC = 285;
const GROWTH_LIMIT_MIB = 3;
const CALLS_A_DAY = 50;
const CONNECTIONS = 8;

class Soak {
  constructor(rig, agent, ports, password) {
    Object.assign(this, { rig, agent, ports, password });
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

  async pss() {
    for (let round = 0; round < 2; round += 1) {
      await this.ask('held');
      await new Promise((done) => setTimeout(done, 2000));
    }
    return pssMiB(this.agent.pid);
  }
}

/** Starts the agent and has tpe-provision bring it to the hub; time passes as it does meanwhile. */
async function open(rig, cloud) {
  const config = rig.agentConfig({ tcti: await rig.swtpm(), cloud });
  appendFileSync(config, `telemetryPeriodSec = ${TELEMETRY_SEC}\n`);
  const file = await program(rig.folder, 'soak-agent', { asBuilt: true });
  // As in systemd/tpe-agent.service.
  const env = { MALLOC_ARENA_MAX: '1' };
  const agent = await startPeer(nodeOfMajor(22), ['--expose-gc', file, config], env);
  const ports = JSON.parse(await agent.ask('ports'));
  let over = false;
  const passing = (async () => {
    while (!over) {
      await agent.ask('pass 50');
      await new Promise((done) => setTimeout(done, 50));
    }
  })();
  try {
    return new Soak(rig, agent, ports, await provision(rig, ports, cloud));
  } finally {
    over = true;
    await passing;
  }
}

function drawing(days) {
  const points = (what) => days.map((day, index) => [index + 1, day[what]]);
  const panel = (y, what) => ({ y, series: [{ name: what, points: points(what) }] });
  return lines({
    title: 'Thirty days of the agent: 30 renewals, 300 messages and 50 calls a day',
    x: 'simulated day',
    panels: [
      panel('CPU time, ms a day', 'cpu'),
      panel('heap after a collection, MiB', 'heapMiB'),
      panel('objects on the heap', 'objects'),
      panel('timers', 'timers'),
    ],
  });
}

export async function run({ quick, draw }) {
  const rig = new Rig();
  const wanted = quick
    ? { days: 2 * WEEK, messages: 8000, renewals: 800, calls: 8000 }
    : { days: 30, messages: 100_000, renewals: 10_000, calls: 100_000 };
  let soak;
  try {
    soak = await open(rig, await rig.emulator());
    await soak.ask('pass 60000');
    const before = await soak.pss();
    const days = [];
    while (days.length < wanted.days) days.push(await soak.day());
    draw('soak-days', drawing(days));
    const afterDays = await soak.pss();
    let tokens = 0;
    let simulated = days.length;
    while (tokens < wanted.renewals || (simulated * DAY_MS) / 1000 / TELEMETRY_SEC < wanted.messages) {
      await soak.ask(`pass ${10 * DAY_MS}`);
      simulated += 10;
      ({ tokens } = await soak.counters());
    }
    await soak.calls(wanted.calls);
    const after = await soak.pss();
    const weeks = (what) =>
      [days.slice(-WEEK), days.slice(0, WEEK)].map((week) => week.map((day) => day[what]));
    return {
      'soak.cpuPerDay': compare(...weeks('cpu'), { unit: 'ms', bar: 1.1 }),
      'soak.heap': compare(...weeks('heapMiB'), { unit: 'MiB', bar: 1.05 }),
      'soak.objects': compare(...weeks('objects'), { unit: 'objects', bar: 1.05 }),
      'soak.timers': compare(...weeks('timers'), { unit: 'timers', bar: 1.2 }),
      'soak.memoryGrowth': against(GROWTH_LIMIT_MIB, [after - before], 'MiB PSS'),
      'soak.memoryGrowth.first30Days': report([afterDays - before], 'MiB PSS'),
      'soak.memory': compare([after], [before], { unit: 'MiB PSS' }),
      'soak.renewals': report([tokens], 'tokens'),
    };
  } finally {
    await soak?.agent.close();
    await rig.close();
  }
}
