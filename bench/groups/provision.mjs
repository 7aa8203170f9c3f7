// tpe-provision against simulated gateways: real UDP and HTTPS, real EKs and DPS challenges made with node:crypto, and
// the real emulator as DPS. The gateways and the emulator share the machine with what is measured, so cost is counted
// as CPU time of the utility alone; the time of day says what one machine does with all three.
import { createSocket } from 'node:dgram';
import { readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { build } from 'esbuild';
import { against, compare } from '../lib/figure.mjs';
import { Rig, cpuMs, root } from '../lib/rig.mjs';

/** Registrations a minute that DPS allows. */
const SERVICE_LIMIT = 1000;
const MEMORY_LIMIT_MIB = 200;
const DISCOVERY_LIMIT_S = 3;

async function freeTcpPort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, '0.0.0.0', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

async function freeUdpPort() {
  const socket = createSocket('udp4');
  await new Promise((done) => socket.bind(0, done));
  const { port } = socket.address();
  await new Promise((done) => socket.close(done));
  return port;
}

async function startFarm(rig, count, cloud) {
  const program = join(root, '.cache', 'gateway-farm.cjs');
  await build({
    absWorkingDir: root,
    entryPoints: ['test/support/gateway-simulator-farm.ts'],
    bundle: true,
    platform: 'node',
    format: 'cjs',
    outfile: program,
    logLevel: 'error',
  });
  const ports = { discovery: await freeUdpPort(), api: await freeTcpPort() };
  const dps = JSON.stringify({ port: Number(new URL(cloud.dps).port), caFile: cloud.ca });
  const cache = join(root, '.cache', 'simulated-primes.json');
  const args = [program, String(count), cache, String(ports.discovery), String(ports.api), dps];
  const child = rig.spawn(process.execPath, args, { GATEWAY_FARM: 'run' });
  await rig.line(child, (line) => (line.startsWith('{"ready"') ? line : undefined), 1_800_000);
  return ports;
}

/** Runs the utility; resolves with its events, the seconds it took, its CPU time and its largest resident set. */
async function utility(rig, args, env, onEvent = () => undefined) {
  const started = performance.now();
  const child = rig.spawn(process.execPath, [join(root, 'dist/tpe-provision.cjs'), ...args, '--json'], env);
  let cpu = 0;
  let peakKib = 0;
  const look = () => {
    try {
      cpu = Math.max(cpu, cpuMs(child.pid));
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      peakKib = Math.max(peakKib, Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0));
    } catch {
      // It ended between two looks; the last one counts.
    }
  };
  const timer = setInterval(look, 50);
  const events = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = JSON.parse(line);
    onEvent(event, (performance.now() - started) / 1000);
    // Only what is counted: a thousand steps would be the bench's own memory.
    if (event.event === 'summary' || event.event === 'error' || event.failure) events.push(event);
    if (event.event === 'summary') look();
  });
  const code = await new Promise((done) => child.once('close', done));
  clearInterval(timer);
  return { code, events, seconds: (performance.now() - started) / 1000, cpuMs: cpu, peakMib: peakKib / 1024 };
}

/** The service's limit counts registrations; the emulator counts requests, of which one with a TPM makes two. */
async function allow(cloud, registrationsPerMinute) {
  const token = readFileSync(join(cloud.state, 'admin-token'), 'utf8').trim();
  const body = JSON.stringify({ registrationsPerMinute: 2 * registrationsPerMinute });
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' };
  const status = await new Promise((done, failed) => {
    const options = { method: 'PATCH', headers, ca: readFileSync(cloud.ca) };
    const call = request(`${cloud.service}/admin/v1/settings`, options, (answer) => {
      answer.resume();
      done(answer.statusCode);
    });
    call.once('error', failed).end(body);
  });
  if (status !== 200) throw new Error(`the emulator answered ${status} to its settings`);
}

async function provision(rig, count, cloud) {
  await allow(cloud, SERVICE_LIMIT);
  const farm = await startFarm(rig, count, cloud);
  const passwordFile = join(rig.folder, 'new-password');
  writeFileSync(passwordFile, 'Bench-4711-pw\n', { mode: 0o600 });
  const blocks = Array.from({ length: Math.ceil(count / 254) }, (_, block) => block);
  const targets = blocks.flatMap((block) =>
    block === blocks.length - 1
      ? Array.from({ length: count - block * 254 }, (_, i) => `127.1.${block}.${i + 1}:${farm.discovery}`)
      : [`127.1.${block}.0/24:${farm.discovery}`],
  );
  const job = join(rig.folder, `job-${count}.json`);
  writeFileSync(job, JSON.stringify({ discovery: { targets, seconds: 120 } }));
  const args = [
    'run',
    '--job',
    job,
    '--trust-on-first-use',
    '--connect-timeout',
    '1800',
    '--concurrency',
    '128',
  ];
  const flags = ['--new-password-file', passwordFile, '--dps-endpoint', cloud.service, '--dps-ca', cloud.ca];
  const ids = [
    '--id-scope',
    cloud.idScope,
    '--global-endpoint',
    cloud.dps,
    '--policy-name',
    cloud.policyName,
  ];
  const outcome = await utility(rig, [...args, ...flags, ...ids], { TPE_POLICY_KEY: cloud.policyKey });
  const summary = outcome.events.find(({ event }) => event === 'summary');
  if (outcome.code !== 0 || summary?.total !== count) {
    throw new Error(`${count} gateways: ${JSON.stringify(outcome.events.slice(-3))}`);
  }
  return { ...outcome, farm };
}

/** Seconds from the start of the program until the last of the gateways has answered one broadcast. */
async function discoverCrowd(rig, farm, count) {
  let last = 0;
  let found = 0;
  // Without any trust in keys, so that it ends when the scan does.
  const args = [
    'run',
    '--until',
    'collected',
    '--target',
    `127.255.255.255:${farm.discovery}`,
    '--seconds',
    '3',
  ];
  await utility(rig, args, {}, (event, at) => {
    if (event.event !== 'discovered') return;
    found += 1;
    last = at;
  });
  if (found !== count) throw new Error(`${found} of ${count} gateways answered the broadcast`);
  return last;
}

export async function run({ quick }) {
  const many = Number(process.env.TPE_BENCH_GATEWAYS ?? (quick ? 100 : 5000));
  const figures = {};
  const costs = [];
  for (const count of [1, 10, many]) {
    const rig = new Rig();
    try {
      const cloud = await rig.emulator();
      const outcome = await provision(rig, count, cloud);
      console.error(
        `  ${count} gateways: ${outcome.seconds.toFixed(1)} s, ${outcome.cpuMs.toFixed(0)} ms CPU, ${outcome.peakMib.toFixed(0)} MiB`,
      );
      costs.push({ count, ...outcome });
    } finally {
      await rig.close();
    }
  }
  const [one, ten, all] = costs;
  const each = (outcome) => (outcome.cpuMs - one.cpuMs) / (outcome.count - one.count);
  const rate = (all.count / all.seconds) * 60;
  figures['provision.cpuPerGateway'] = compare([each(all)], [each(ten)], { unit: 'ms', bar: 1.1 });
  figures['provision.memory'] = against(MEMORY_LIMIT_MIB, [all.peakMib], 'MiB');
  figures['provision.rate'] = compare([rate], [SERVICE_LIMIT], { unit: '/min', moreIsBetter: true });
  const rig = new Rig();
  try {
    const farm = await startFarm(rig, 254, await rig.emulator());
    const seconds = await discoverCrowd(rig, farm, 254);
    figures['provision.discovery254'] = against(DISCOVERY_LIMIT_S, [seconds], 's');
  } finally {
    await rig.close();
  }
  return figures;
}
