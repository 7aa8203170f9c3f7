// `npm run demo`: the whole flow on this machine with real parts. `-- --once` ends when the gateway is connected,
// `-- --json` prints the utility's events instead of the story.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const { values: options } = parseArgs({
  options: {
    once: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (options.help) {
  console.log('usage: npm run demo -- [--once] [--json]');
  process.exit(0);
}

const started = performance.now();
const seconds = () => `${((performance.now() - started) / 1000).toFixed(1)} s`.padStart(7);
const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const bold = (text) => (colour ? `\u001b[1m${text}\u001b[0m` : text);
const dim = (text) => (colour ? `\u001b[2m${text}\u001b[0m` : text);
const heading = (text) => options.json || console.log(`\n${bold(text)}`);
const tell = (text) => options.json || console.log(`${dim(seconds())}  ${text}`);

const folder = mkdtempSync(join(tmpdir(), 'tpe-demo-'));
const children = [];
let ending = false;

function start(name, command, args, env = {}) {
  const child = spawn(command, args, {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const last = [];
  const keep = (stream) =>
    createInterface({ input: stream }).on('line', (line) => {
      last.push(line);
      if (last.length > 30) last.shift();
      child.emit('line', line);
    });
  keep(child.stdout);
  keep(child.stderr);
  child.on('error', (error) => fail(`${name} could not be started: ${error.message}`));
  child.on('exit', (code, signal) => {
    if (!ending && child.expectedToEnd !== true) {
      fail(`${name} ended with ${signal ?? code}:\n${last.join('\n')}`);
    }
  });
  children.push(child);
  return child;
}

const program = (name, args, env) =>
  start(name, process.execPath, [join(root, 'dist', `${name}.cjs`), ...args], env);

/** The first line that `match` turns into something. */
function firstLine(child, name, match, timeoutMs = 60_000) {
  return new Promise((done, refuse) => {
    const timer = setTimeout(
      () => refuse(new Error(`${name} said nothing useful in ${timeoutMs / 1000} s`)),
      timeoutMs,
    );
    child.on('line', (line) => {
      const found = match(line);
      if (found === undefined) return;
      clearTimeout(timer);
      done(found);
    });
  });
}

function jsonOf(line) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

async function end(code) {
  if (ending) return;
  ending = true;
  await Promise.all(
    children.map((child) => {
      if (child.exitCode !== null || child.signalCode !== null) return undefined;
      const gone = new Promise((done) => child.once('exit', done));
      child.kill('SIGTERM');
      const harder = setTimeout(() => child.kill('SIGKILL'), 5_000);
      return gone.then(() => clearTimeout(harder));
    }),
  );
  rmSync(folder, { recursive: true, force: true });
  process.exit(code);
}

function fail(message) {
  if (ending) return;
  console.error(`\nThe demo failed: ${message}`);
  void end(1);
}

async function startTpm() {
  const state = join(folder, 'tpm');
  mkdirSync(state);
  const socket = join(folder, 'tpm.sock');
  start('swtpm', 'swtpm', [
    'socket',
    '--tpm2',
    '--tpmstate',
    `dir=${state}`,
    '--server',
    `type=unixio,path=${socket}`,
    '--ctrl',
    `type=unixio,path=${socket}.ctrl`,
    '--flags',
    'not-need-init,startup-clear',
  ]);
  const giveUp = performance.now() + 20_000;
  while (!existsSync(socket) || !existsSync(`${socket}.ctrl`)) {
    if (performance.now() > giveUp) throw new Error('swtpm did not open its socket');
    await new Promise((done) => setTimeout(done, 10));
  }
  tell('swtpm is the TPM 2.0 of the gateway');
  return `swtpm:path=${socket}`;
}

async function startEmulator() {
  const emulator = program('tpe-cloud-emulator', [
    '--state',
    join(folder, 'cloud'),
    '--dps-port',
    '0',
    '--service-port',
    '0',
    '--hub-port',
    '0',
  ]);
  const cloud = await firstLine(emulator, 'tpe-cloud-emulator', (line) => {
    const ready = jsonOf(line);
    return ready?.dps === undefined ? undefined : ready;
  });
  tell(`tpe-cloud-emulator: DPS at ${cloud.dps}, IoT Hub ${cloud.hubHostName} at ${cloud.hub}`);
  return { emulator, cloud };
}

async function startAgent(tcti, cloud) {
  const config = join(folder, 'config.toml');
  const text = (value) => JSON.stringify(value);
  writeFileSync(
    config,
    `[paths]
state = ${text(join(folder, 'gateway'))}
[device]
serialNumber = "TAICB1046771"
modelName = "UC-8100A-ME-T-LX"
macAddress = "00:90:e8:79:46:b5"
firmwareVersion = "1.3.2"
[tpm]
tcti = ${text(tcti)}
[discovery]
address = "127.0.0.1"
port = 0
[api]
address = "127.0.0.1"
port = 0
[azure]
trustedCaFile = ${text(cloud.ca)}
hubGateway = ${text(cloud.hub)}
dpsHosts = ["localhost"]
`,
  );
  const agent = program('tpe-agent', ['--config', config]);
  const ready = await firstLine(agent, 'tpe-agent', (line) => {
    const entry = jsonOf(line);
    return entry?.event === 'ready' ? entry : undefined;
  });
  tell(`tpe-agent: discovery on UDP ${ready.discoveryPort}, REST API on https://127.0.0.1:${ready.apiPort}`);
  return ready;
}

/** What each step of the utility means in the flow. */
const story = {
  login: ['2.2 Login', 'logged in with the factory credentials; the TLS key is pinned from here on'],
  password: [undefined, 'the default password had to be changed first, and was'],
  identity: [
    undefined,
    'the serial number of the discovery answer is the one that the gateway gives over TLS',
  ],
  endorsementKey: ['2.3 Get endorsement key', 'the public EK; the private one never leaves the TPM'],
  enrollment: ['2.4 Create enrollment', 'registration ID and EK are enrolled at DPS'],
  writeBack: [
    '2.5 Connection information write-back',
    'ID scope, DPS endpoint and registration ID are on the gateway',
  ],
  services: ['2.6 Configure device', 'services set'],
  enable: [undefined, 'provisioning is enabled'],
  connect: [
    '3. Connect',
    'the nonce challenge was answered inside the TPM, DPS assigned the hub, and MQTT is up with a SAS token signed by the TPM',
  ],
};

function narrate(event) {
  if (event.event === 'discovered') {
    const { gateway } = event;
    heading('2.1 Discovery');
    tell(
      `${gateway.modelName}, serial ${gateway.serialNumber}, MAC ${gateway.mac}, at ${gateway.address}:${gateway.port}`,
    );
  } else if (event.event === 'warning') {
    tell(`warning: ${event.message}`);
  } else if (event.event === 'step' && event.status === 'done') {
    const [title, sentence] = story[event.step] ?? [undefined, event.step];
    if (title !== undefined) heading(title);
    const detail = event.detail === undefined ? '' : ` (${event.detail})`;
    tell(`${sentence}${detail}, ${event.durationMs} ms`);
  }
}

async function provision(ready, cloud, secrets) {
  const utility = program(
    'tpe-provision',
    [
      'run',
      '--json',
      '--target',
      `127.0.0.1:${ready.discoveryPort}`,
      '--dps-endpoint',
      cloud.service,
      '--policy-name',
      cloud.policyName,
      '--id-scope',
      cloud.idScope,
      '--global-endpoint',
      cloud.dps,
      '--dps-ca',
      cloud.ca,
      '--new-password-file',
      secrets.passwordFile,
      '--trust-on-first-use',
    ],
    { TPE_POLICY_KEY: cloud.policyKey },
  );
  utility.expectedToEnd = true;
  const failures = [];
  utility.on('line', (line) => {
    const event = jsonOf(line);
    if (event === undefined) failures.push(line);
    else if (options.json) console.log(line);
    else narrate(event);
    if (event?.event === 'device' && event.failure)
      failures.push(`${event.failure.message} ${event.failure.advice}`);
  });
  const code = await new Promise((done) => utility.once('exit', done));
  if (code !== 0) throw new Error(`tpe-provision ended with ${code}: ${failures.join('\n')}`);
}

function showWhatNext(ready, secrets, emulator) {
  const base = `https://127.0.0.1:${ready.apiPort}/api/v1`;
  heading('Connected.');
  console.log(`
  Log in and look around (the certificate is the gateway's own, hence -k; tpe-provision pins its key):

    TOKEN=$(curl -sk ${base}/auth -H 'Content-Type: application/json' -d '{"acceptEULA":true,"name":"admin","password":"${secrets.password}"}' \\
      | sed 's/.*"token":"\\([^"]*\\)".*/\\1/')
    curl -sk -H "Authorization: Bearer $TOKEN" ${base}/provisioning
    curl -sk -H "Authorization: Bearer $TOKEN" ${base}/device/general

  On the gateway itself:  node dist/tpe-agentctl.cjs status --config ${join(folder, 'config.toml')}
  All of its files:       ${folder}  (gone when the demo ends)
  Where to look next:     docs/architecture.md, docs/guides/, docs/reference/

  What the cloud sees from now on follows; Ctrl-C ends the demo.
`);
  emulator.on('line', (line) => console.log(dim(`  cloud: ${line}`)));
}

process.on('SIGINT', () => void end(0));
process.on('SIGTERM', () => void end(0));

try {
  heading('1. Factory, and a cloud on this machine');
  const tcti = await startTpm();
  const { emulator, cloud } = await startEmulator();
  const ready = await startAgent(tcti, cloud);
  const password = `Demo-${randomBytes(6).toString('hex')}`;
  const passwordFile = join(folder, 'new-password');
  writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
  const secrets = { password, passwordFile };
  await provision(ready, cloud, secrets);
  tell(`the whole flow took ${seconds().trim()}`);
  if (options.once) await end(0);
  else if (!options.json) showWhatNext(ready, secrets, emulator);
} catch (error) {
  fail(error.message);
}
