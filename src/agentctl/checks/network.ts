import { type Check, type CheckContext, finding, ok } from './types';

/** Certificates and tokens of this software cannot be older than itself. */
const OLDEST_PLAUSIBLE = Date.parse('2026-01-01T00:00:00Z');

function endpointHost(context: CheckContext): string {
  return new URL(context.facts.azure.globalEndpoint).hostname;
}

const interfaces: Check = {
  id: 'interfaces',
  title: 'Network interfaces',
  run({ machine }) {
    const found = machine.interfaces().filter(({ addresses }) => addresses.length > 0);
    if (found.length === 0) {
      return finding('failed', 'no interface has an address', 'Plug a cable in, or look at "ip address".');
    }
    return ok(found.map(({ name, addresses }) => `${name} ${addresses[0]?.address ?? ''}`).join(', '));
  },
};

const clock: Check = {
  id: 'clock',
  title: 'Clock',
  run({ machine }) {
    const now = machine.now();
    const shown = new Date(now).toISOString();
    if (now < OLDEST_PLAUSIBLE) {
      return finding(
        'failed',
        `${shown} is before this software was made`,
        'Set the time, or let NTP set it: tokens for DPS and IoT Hub carry their expiry.',
      );
    }
    return ok(shown);
  },
};

const timeSync: Check = {
  id: 'time-sync',
  title: 'Time synchronization',
  async run({ machine }) {
    const answer = await machine.run('timedatectl', ['show', '-p', 'NTPSynchronized', '--value']);
    if (answer?.status !== 0) {
      return finding(
        'skipped',
        'timedatectl does not answer',
        'Only systemd knows; check the clock by hand.',
      );
    }
    if (answer.output.trim() === 'yes') return ok('synchronized');
    return finding(
      'warning',
      'the clock is not synchronized',
      'Install and enable an NTP client (systemd-timesyncd or chrony) and let UDP 123 out.',
    );
  },
};

const dns: Check = {
  id: 'dns',
  title: 'Name resolution',
  async run(context) {
    const host = endpointHost(context);
    if (context.settings.azure.proxy !== undefined) {
      return finding('skipped', 'the proxy resolves names', 'Nothing to do.');
    }
    try {
      const addresses = await context.machine.resolve(host);
      return ok(`${host} is ${addresses.slice(0, 2).join(', ')}`);
    } catch {
      // The reason (ENOTFOUND, EAI_AGAIN) says no more than the finding.
      return finding(
        'failed',
        `${host} cannot be resolved`,
        'Check /etc/resolv.conf and the cable of the WAN interface.',
      );
    }
  },
};

const proxy: Check = {
  id: 'proxy',
  title: 'HTTP proxy',
  async run({ machine, settings }) {
    if (settings.azure.proxy === undefined) return ok('none is configured');
    const { hostname, port, protocol } = new URL(settings.azure.proxy);
    const number = port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port);
    const problem = await machine.connect(hostname, number);
    if (problem === undefined) return ok(`${hostname}:${number} is reachable`);
    return finding(
      'failed',
      `${hostname}:${number}: ${problem}`,
      'Check azure.proxy and the way to the proxy.',
    );
  },
};

const trustedCa: Check = {
  id: 'trusted-ca',
  title: 'Trusted certificate authorities',
  async run({ machine, settings }) {
    const path = settings.azure.trustedCaFile;
    if (path === undefined) return ok("the system's");
    const text = await machine.read(path);
    if (text === undefined || !text.includes('-----BEGIN CERTIFICATE-----')) {
      return finding(
        'failed',
        `${path} holds no PEM certificate that can be read`,
        'Correct azure.trustedCaFile; the service user has to be able to read the file.',
      );
    }
    return ok(path);
  },
};

/** The configured authorities; `undefined` means the system's. */
async function authorities({ machine, settings }: CheckContext): Promise<{ ca?: string }> {
  const path = settings.azure.trustedCaFile;
  const ca = path === undefined ? undefined : await machine.read(path);
  return ca === undefined ? {} : { ca };
}

const dps: Check = {
  id: 'dps',
  title: 'Device Provisioning Service',
  async run(context) {
    const { azure } = context.facts;
    if (context.settings.azure.proxy !== undefined) {
      return finding('skipped', 'reached through the proxy', 'See the checks "proxy" and "hub".');
    }
    const { hostname, port } = new URL(azure.globalEndpoint);
    const number = port === '' ? 443 : Number(port);
    const problem = await context.machine.connect(hostname, number, await authorities(context));
    if (problem === undefined) return ok(`${hostname}:${number} answers with a trusted certificate`);
    return finding(
      azure.enable ? 'failed' : 'warning',
      `${hostname}:${number}: ${problem}`,
      'Let TCP 443 out to *.azure-devices-provisioning.net; behind an intercepting proxy set azure.trustedCaFile.',
    );
  },
};

const azure: Check = {
  id: 'azure-configuration',
  title: 'Azure configuration',
  run({ facts }) {
    const { enable, scopeId, registrationId } = facts.azure;
    if (scopeId === '') {
      return finding(
        'warning',
        'no ID scope is set',
        'Provision the gateway: tpe-provision run, or PATCH /azure-iotedge.',
      );
    }
    if (!enable) {
      return finding('warning', 'provisioning is switched off', 'PATCH /azure-iotedge with "enable": true.');
    }
    return ok(`ID scope ${scopeId}, registration ID ${registrationId}`);
  },
};

const hub: Check = {
  id: 'hub',
  title: 'IoT Hub',
  run({ facts }) {
    const status = facts.provisioning;
    if (status === undefined) {
      return finding('skipped', 'only a running agent knows', 'Start the agent: systemctl start tpe-agent.');
    }
    if (status.state === 'connected') return ok(`connected to ${status.assignedHub ?? 'the hub'}`);
    if (status.state === 'unconfigured') {
      return finding('skipped', 'the gateway is not provisioned yet', 'See the check "azure-configuration".');
    }
    const why = status.lastError === undefined ? '' : `: ${status.lastError.message}`;
    return finding(
      status.state === 'failed' ? 'failed' : 'warning',
      `${status.state}${why}`,
      status.lastError?.advice ?? 'Wait a minute and check again.',
    );
  },
};

export const networkChecks: readonly Check[] = [
  interfaces,
  clock,
  timeSync,
  dns,
  proxy,
  trustedCa,
  azure,
  dps,
  hub,
];
