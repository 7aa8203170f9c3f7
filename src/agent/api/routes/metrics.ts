import type { IntervalHistogram } from 'node:perf_hooks';
import { Type } from '@sinclair/typebox';
import type { FastifyInstance } from 'fastify';
import { LIFECYCLE_STATES } from '../../../protocol/api-types';
import { version } from '../../../common/version';
import type { ApiDependencies } from '../dependencies';
import { READ, addRoute } from '../route';

const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

type Kind = 'counter' | 'gauge';

/** Lines of one metric in the Prometheus text format. */
function metric(
  name: string,
  kind: Kind,
  help: string,
  values: readonly [labels: string, value: number][],
): string {
  const lines = values.map(([labels, value]) => `tpe_${name}${labels === '' ? '' : `{${labels}}`} ${value}`);
  return [`# HELP tpe_${name} ${help}`, `# TYPE tpe_${name} ${kind}`, ...lines, ''].join('\n');
}

const one = (value: number): [string, number][] => [['', value]];

export function metricRoutes(app: FastifyInstance, dependencies: ApiDependencies): void {
  const answered = new Map<string, number>();
  // At the first scrape only: the monitor wakes the process, which should cost those who never look nothing.
  let loop: IntervalHistogram | undefined;
  app.addHook('onResponse', (_request, reply, done) => {
    const family = `${Math.floor(reply.statusCode / 100)}xx`;
    answered.set(family, (answered.get(family) ?? 0) + 1);
    done();
  });
  app.addHook('onClose', (_app, done) => {
    loop?.disable();
    done();
  });

  addRoute(app, {
    method: 'GET',
    url: '/metrics',
    access: READ,
    summary: 'Metrics in the Prometheus text format',
    tag: 'health',
    answer: Type.String(),
    handler: (_request, reply) => {
      if (loop === undefined) {
        const { monitorEventLoopDelay } = process.getBuiltinModule('node:perf_hooks');
        loop = monitorEventLoopDelay({ resolution: 100 });
        loop.enable();
      }
      void reply.type(CONTENT_TYPE);
      return render(dependencies, answered, loop.count === 0 ? 0 : loop.percentile(99) / 1e9);
    },
  });
}

function render(
  dependencies: ApiDependencies,
  answered: ReadonlyMap<string, number>,
  loopP99: number,
): string {
  const { provisioning, discovery, accounts, audit, guard } = dependencies;
  const status = provisioning.status();
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  const probes = discovery.counters;
  const families = ['2xx', '3xx', '4xx', '5xx'];
  return [
    metric('build_info', 'gauge', 'Version of the agent.', [[`version="${version}"`, 1]]),
    metric('process_cpu_seconds_total', 'counter', 'CPU time.', one((user + system) / 1e6)),
    metric('process_resident_memory_bytes', 'gauge', 'Resident memory.', one(rss)),
    metric('process_heap_bytes', 'gauge', 'JavaScript heap in use.', one(heapUsed)),
    metric(
      'event_loop_delay_p99_seconds',
      'gauge',
      'Delay of the event loop since the last start.',
      one(loopP99),
    ),
    metric(
      'http_responses_total',
      'counter',
      'Answers of the API by class of status.',
      families.map((family) => [`class="${family}"`, answered.get(family) ?? 0]),
    ),
    metric('http_connections', 'gauge', 'Open connections.', one(guard.open)),
    metric('http_connections_refused_total', 'counter', 'Connections closed unanswered.', one(guard.refused)),
    metric('sessions', 'gauge', 'Who is logged in.', one(accounts.sessions.count)),
    metric('discovery_enabled', 'gauge', 'Whether discovery answers.', one(discovery.enabled ? 1 : 0)),
    metric('discovery_datagrams_total', 'counter', 'Datagrams of the discovery port by result.', [
      ['result="answered"', probes.answered],
      ['result="invalid"', probes.invalid],
      ['result="limited"', probes.limited],
    ]),
    metric(
      'lifecycle_state',
      'gauge',
      'State of the connection; the one that holds is 1.',
      LIFECYCLE_STATES.map((state) => [`state="${state}"`, state === status.state ? 1 : 0]),
    ),
    metric(
      'dps_registrations_total',
      'counter',
      'Registrations with DPS.',
      one(status.counters.registrations),
    ),
    metric('hub_connects_total', 'counter', 'Connections to IoT Hub.', one(status.counters.connects)),
    metric(
      'connection_errors_total',
      'counter',
      'Errors of the connection to DPS and IoT Hub by code.',
      Object.entries(status.counters.errors ?? {}).map(([code, count]) => [`code="${code}"`, count]),
    ),
    metric('hub_tokens_total', 'counter', 'SAS tokens signed by the TPM.', one(status.counters.tokens)),
    metric(
      'audit_failing',
      'gauge',
      'Whether the audit trail cannot be written.',
      one(audit.failing === undefined ? 0 : 1),
    ),
    metric('audit_lost_total', 'counter', 'Audit records that could not be written.', one(audit.lost)),
  ].join('');
}
