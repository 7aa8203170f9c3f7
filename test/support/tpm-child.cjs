// Uses the addon as a plain program or worker thread would: `node tpm-child.cjs ADDON TCTI SCENARIO PUBLIC PRIVATE`.
// Prints one JSON line when the scenario's point is reached.
const { execFileSync } = require('node:child_process');
const { readFileSync } = require('node:fs');
const { isMainThread, parentPort, workerData, Worker } = require('node:worker_threads');

const [addon, tcti, scenario, livePublic = '', livePrivate = ''] = isMainThread
  ? process.argv.slice(2)
  : workerData;

function load() {
  const module = { exports: {} };
  process.dlopen(module, addon);
  return module.exports.NativeTpm;
}

function open(NativeTpm = load()) {
  const none = new Uint8Array();
  return new NativeTpm({
    tcti,
    resourceManaged: false,
    createTimeoutMs: 300_000,
    commandTimeoutMs: 90_000,
    busyTimeoutMs: 10_000,
    queueLimit: 4096,
    ekTemplate: 'tcg',
    persistentIdentity: false,
    protectBus: true,
    expectedEkName: none,
    ownerAuth: none,
    endorsementAuth: none,
    livePublic: Buffer.from(livePublic, 'base64'),
    livePrivate: Buffer.from(livePrivate, 'base64'),
  });
}

const data = Buffer.from('data');
const say = (value) => (parentPort ? parentPort.postMessage(value) : console.log(JSON.stringify(value)));

const scenarios = {
  /** Leaves with a thousand calls queued. */
  async exitWithWork() {
    const tpm = open();
    const all = Array.from({ length: 1000 }, () => tpm.sign(data));
    for (const call of all) call.catch(() => undefined);
    await all[20];
    say({ signed: 20 });
    process.exit(0);
  },
  /** Leaves while the TPM is silent. */
  async exitWhileStuck() {
    const tpm = open();
    tpm.info().catch(() => undefined);
    setTimeout(() => {
      say({ exitingAt: Date.now() });
      process.exit(0);
    }, 300);
  },
  /** Opens the TPM where the system gives no further thread. */
  async noThread() {
    const NativeTpm = load();
    // No room for another stack; the number of threads itself is not limited for root.
    const kib = Number(/VmSize:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]);
    execFileSync('prlimit', ['--pid', String(process.pid), `--as=${(kib + 1024) * 1024}`]);
    try {
      open(NativeTpm);
      say({ opened: true });
    } catch (error) {
      say({ kind: error.kind, reason: error.reason });
    }
  },
  /** Ends by having nothing left to do, without closing. */
  async fallThrough() {
    const tpm = open();
    say({ signature: (await tpm.sign(data)).toString('hex') });
  },
  /** Throws the object away without closing it, many times. */
  async garbage() {
    for (let i = 0; i < 20; i++) {
      await open().random(8);
      global.gc();
      await new Promise((resolve) => setImmediate(resolve));
    }
    say({ rounds: 20 });
  },
  /** Signs from worker threads and terminates each in the middle. */
  async workers() {
    const outcome = [];
    for (let i = 0; i < 12; i++) {
      const worker = new Worker(module.filename, {
        workerData: [addon, tcti, 'signForEver', livePublic, livePrivate],
      });
      outcome.push(
        await new Promise((resolve, reject) => {
          worker.once('message', resolve);
          worker.once('error', reject);
        }),
      );
      await worker.terminate();
    }
    say({ outcome });
  },
  async signForEver() {
    const tpm = open();
    for (let i = 0; ; i++) {
      const batch = await Promise.all(Array.from({ length: 50 }, () => tpm.sign(data)));
      if (i === 2) say(batch[0].toString('hex'));
    }
  },
};

scenarios[scenario]().catch((error) => {
  console.error(error);
  process.exit(1);
});
