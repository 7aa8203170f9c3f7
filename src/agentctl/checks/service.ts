import { X509Certificate, createPrivateKey } from 'node:crypto';
import { join } from 'node:path';
import { type Check, finding, ok } from './types';

const OLDEST_NODE = [20, 19] as const;

const agent: Check = {
  id: 'agent',
  title: 'Agent',
  async run({ machine, running }) {
    if (running) return ok('answers on its control socket');
    const state = await machine.run('systemctl', ['is-active', 'tpe-agent.service']);
    const shown = state === undefined || state.output.trim() === '' ? 'not running' : state.output.trim();
    return finding(
      'failed',
      `the agent does not answer (${shown})`,
      'Start it: systemctl start tpe-agent; its log: journalctl -u tpe-agent.',
    );
  },
};

const versions: Check = {
  id: 'versions',
  title: 'Versions',
  run({ facts, running, version }) {
    if (running && facts.version !== version) {
      return finding(
        'warning',
        `the running agent is ${facts.version}, the installed one ${version}`,
        'Restart the agent: systemctl restart tpe-agent.',
      );
    }
    const [major = 0, minor = 0] = facts.nodeVersion.slice(1).split('.').map(Number);
    if (major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1])) {
      return finding('failed', `Node.js ${facts.nodeVersion}`, 'Install Node.js 20.19 or later.');
    }
    return ok(`${facts.version} on Node.js ${facts.nodeVersion}`);
  },
};

const certificate: Check = {
  id: 'api-certificate',
  title: 'TLS certificate of the API',
  async run({ machine, settings }) {
    const [cert, key] = await Promise.all(
      ['tls-cert.pem', 'tls-key.pem'].map((name) => machine.read(join(settings.paths.state, name))),
    );
    if (cert === undefined || key === undefined) {
      return finding(
        'warning',
        'none yet',
        'It is made at the first start of the agent, or by "factory init".',
      );
    }
    try {
      const x509 = new X509Certificate(cert);
      if (!x509.checkPrivateKey(createPrivateKey(key))) {
        return finding(
          'failed',
          'certificate and key do not belong together',
          'Restart the agent, which renews it.',
        );
      }
      if (Date.parse(x509.validTo) < machine.now()) {
        return finding('failed', `expired on ${x509.validTo}`, 'Renew it: PUT /system/certificate.');
      }
      return ok(`valid until ${x509.validTo}`);
    } catch (error) {
      return finding('failed', `damaged: ${String(error)}`, 'Restart the agent, which makes it again.');
    }
  },
};

const api: Check = {
  id: 'api',
  title: 'REST API',
  async run({ machine, facts }) {
    if (facts.api === undefined) {
      return finding('skipped', 'the agent does not run', 'See the check "agent".');
    }
    const { address, port } = facts.api;
    const host = ['::', '0.0.0.0'].includes(address) ? '127.0.0.1' : address;
    const problem = await machine.connect(host, port, { anyKey: true });
    if (problem === undefined) return ok(`answers on port ${port}`);
    return finding(
      'failed',
      `port ${port}: ${problem}`,
      'Look into the log: journalctl -u tpe-agent; another program may hold the port.',
    );
  },
};

const discovery: Check = {
  id: 'discovery',
  title: 'Discovery',
  run({ facts }) {
    if (facts.discovery === undefined) {
      return finding('skipped', 'only a running agent knows', 'Start the agent: systemctl start tpe-agent.');
    }
    const { enabled, port } = facts.discovery;
    const commissioned = facts.provisioning?.state === 'connected';
    if (enabled && commissioned) {
      return finding(
        'warning',
        `open on UDP ${port} although the gateway is connected`,
        'It closes when its window ends; close it now with PUT /system/discovery {"enable":false}.',
      );
    }
    if (enabled) return ok(`open on UDP ${port}`);
    if (commissioned) return ok('closed after commissioning');
    return finding(
      'warning',
      'closed, and the gateway is not connected yet',
      'Open it with PUT /system/discovery {"enable":true}, or give tpe-provision the address.',
    );
  },
};

const firewall: Check = {
  id: 'firewall',
  title: 'Firewall',
  async run({ machine, settings, facts }) {
    const rules = await machine.run('nft', ['list', 'ruleset']);
    if (rules?.status !== 0) {
      return finding(
        'skipped',
        'nft does not answer',
        'Install nftables, or look at the rules by hand as root.',
      );
    }
    const closed = /hook input [^}]*policy drop/s.test(rules.output);
    const names = (port: number): boolean => new RegExp(`dport[^\\n]*\\b${port}\\b`).test(rules.output);
    const apiPort = facts.api?.port ?? settings.api.port;
    const discoveryPort = facts.discovery?.port ?? settings.discovery.port;
    const missing = [apiPort, discoveryPort].filter((port) => closed && !names(port));
    if (missing.length === 0)
      return ok(closed ? 'drops by default, our ports are named' : 'does not drop by default');
    return finding(
      'warning',
      `drops by default, and no rule names port ${missing.join(' or ')}`,
      `Accept TCP ${apiPort} and UDP ${discoveryPort} from the commissioning network.`,
    );
  },
};

/** The unit's own bar, as printed by systemd-analyze. */
const MOST_EXPOSURE = 1.7;

const hardening: Check = {
  id: 'unit-hardening',
  title: 'Hardening of the service',
  async run({ machine }) {
    const answer = await machine.run('systemd-analyze', ['security', '--no-pager', 'tpe-agent.service']);
    const exposure = /exposure level for tpe-agent\.service: ([\d.]+)/.exec(answer?.output ?? '')?.[1];
    if (exposure === undefined) {
      return finding(
        'skipped',
        'systemd-analyze does not know the unit',
        'Only an installed service can be judged.',
      );
    }
    if (Number(exposure) <= MOST_EXPOSURE) return ok(`exposure ${exposure}`);
    return finding(
      'warning',
      `exposure ${exposure}, shipped with at most ${MOST_EXPOSURE}`,
      'A drop-in weakens the unit: systemctl cat tpe-agent.',
    );
  },
};

const helper: Check = {
  id: 'helper',
  title: 'Services helper',
  async run({ machine }) {
    const state = await machine.run('systemctl', ['is-active', 'tpe-helper.socket']);
    if (state === undefined || state.output.trim() === '') {
      return finding('skipped', 'there is no systemd', 'Services cannot be switched on this system.');
    }
    if (state.output.trim() === 'active') return ok('listening');
    return finding(
      'failed',
      `tpe-helper.socket is ${state.output.trim()}`,
      'Services and network settings cannot be applied: systemctl enable --now tpe-helper.socket.',
    );
  },
};

const restarts: Check = {
  id: 'restarts',
  title: 'Restarts',
  async run({ machine }) {
    const answer = await machine.run('systemctl', [
      'show',
      '-p',
      'NRestarts',
      '--value',
      'tpe-agent.service',
    ]);
    const count = Number(answer?.output.trim());
    if (answer?.status !== 0 || !Number.isInteger(count)) {
      return finding('skipped', 'systemd does not answer', 'Nothing to do where there is no systemd.');
    }
    if (count === 0) return ok('none since the start of the system');
    return finding(
      'warning',
      `the service was restarted ${count} times`,
      'Look for the reason: journalctl -u tpe-agent --grep "watchdog|Failed|fatal".',
    );
  },
};

export const serviceChecks: readonly Check[] = [
  agent,
  versions,
  restarts,
  certificate,
  api,
  discovery,
  firewall,
  hardening,
  helper,
];
