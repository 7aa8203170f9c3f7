// What each figure says, for docs/reference/benchmarks.md.

/** By group, in the order of the page. */
export const groups = {
  start: 'Start to READY=1',
  memory: 'Memory and cost while idle',
  'mqtt-memory': 'A client directly on mqtt',
  soak: 'A month of the agent',
  load: 'Memory after load',
  size: 'Installed size',
  tpm: 'TPM',
  registration: 'Registration',
  discovery: 'Discovery',
  api: 'REST API',
  emulator: 'Emulator',
  storm: 'A storm of registrations',
  provision: 'tpe-provision',
};

/** What stands beside ours, by the beginning of the figure's name; the longest that fits. */
export const captions = {
  'start.node22.vsBareNode': 'CPU time to READY=1 beside `node -e 0` on the same Node.js',
  'start.node20.vsBareNode': 'the same on Node.js 20',
  'start.node22.vsUnbundled': 'CPU time to READY=1 beside the same agent unbundled and eager',
  'start.node20.vsUnbundled': 'the same on Node.js 20',
  'memory.idleConnected': 'PSS of the connected agent beside a bare `node` that holds a timer',
  'idle.cpu': 'CPU while idle and connected',
  'idle.wakeups': 'wake-ups a second while idle and connected',
  'mqtt-memory.direct':
    'PSS of a client that is nothing but the mqtt package beside a bare `node` that holds a timer',
  'soak.cpuPerDay': 'CPU time of a simulated day: the last week of a month beside the first',
  'soak.heap': 'heap after a collection: the last week beside the first',
  'soak.objects': 'objects on the heap: the last week beside the first',
  'soak.timers': 'most timers at the end of a day: the last week beside the first',
  'load.memoryGrowth':
    'PSS after 100,000 messages, 10,000 renewals and 100,000 calls less PSS when it had connected, both after a collection',
  'load.memory':
    'the same two beside each other (with the clock of the bench, from a first start with its registration)',
  'load.later.anonymousGrowth':
    'growth of an agent that was started again after its registration: what no file has, so that the kernel cannot take it back',
  'load.later.memoryGrowth':
    'PSS of the same: with the pages of V8’s optimizing compiler, which an agent that registers has met before the first measurement',
  'load.renewals': 'tokens that were renewed',
  'load.messages': 'messages that were sent',
  'emulator.memory': 'PSS of the emulator with 1,000 connected devices',
  'emulator.memoryPerDevice': 'of these, each of the second 500 beside each of the first',
  'size.agent': 'agent, start file, agentctl and both addons beside 239 packages of the Azure SDK',
  'tpm.sign': 'one HMAC beside the same ESYS call in a C loop',
  'tpm.signOverlapped': '1,000 signatures asked for at once, per signature, beside the C loop',
  'tpm.sign.vsMicrosoft': 'one HMAC beside azure-iot-security-tpm',
  'tpm.activate': 'ActivateCredential and Import beside the same ESYS calls in C',
  'tpm.eventLoopDelay.p99': 'how late a 1 ms timer comes while the TPM works, 99th percentile',
  'tpm.eventLoopDelay.vsIdle': 'the same beside the same timer without any work',
  'registration.vsC':
    'first look at the EK to CONNACK beside a C program with the same ESYS calls and round trips',
  'registration.vsMicrosoft':
    'the same beside azure-iot-security-tpm, -provisioning-device and -device, Retry-After 0',
  'registration.firstInProcess': 'the first one of a process, which loads and compiles the SDK',
  'registration.esysShareOfC': 'what of the C program’s time is spent in ESYS',
  'discovery.p50': 'probe to answer at 1,000 probes/s beside a bare datagram echo, median',
  'discovery.p99': 'the same, 99th percentile',
  'api.general': 'GET /device/general beside a bare fastify route with the same bytes',
  'api.general.cpu': 'CPU time of the server for one such request',
  'api.flood.p95':
    '95th percentile of such a request while 20,000 datagrams/s from 64 addresses flood the discovery port, limit 5 ms',
  'api.flood.p95.vsBare':
    'the same beside the bare route whose process counts as many datagrams on a bare socket',
  'api.flood.p95.vsQuiet': 'the same beside no flood',
  'api.flood.received': 'datagrams that the agent read a second meanwhile',
  'api.guesses': '95th percentile of a request while 100 wrong passwords/s come in for a minute, beside none',
  'storm.busiestMinute': 'registrations in the busiest minute beside the limit of DPS',
  'storm.lastAssigned': 'until the last of 300 gateways is assigned',
  'provision.cpuPerGateway':
    'CPU time for each of many gateways (5,000, or TPE_BENCH_GATEWAYS: 1,000 in the run that is shown) beside each of ten',
  'provision.memory': 'largest resident set of tpe-provision',
  'provision.rate': 'gateways a minute beside the limit of DPS',
  'provision.discovery254': 'until the last of 254 gateways has answered one broadcast',
};

export function captionOf(name) {
  const fitting = Object.keys(captions).filter((known) => name === known || name.startsWith(`${known}.`));
  return captions[fitting.sort((a, b) => b.length - a.length)[0]] ?? '';
}
