import type { Command } from 'commander';
import type { Job } from '../flow/job';
import { runJob } from '../flow/run-job';
import type { Reporter } from '../report/events';
import { jsonReporter } from '../report/json-lines';
import { LiveTable } from '../report/live-table';
import { plainReporter } from '../report/plain';
import { type JobFile } from '../settings/job-file';
import { credentialsOf, openDps, required } from './connect';
import { discover, noGateway } from './discovery';
import {
  type Flags,
  commonFlags,
  discoveryFlags,
  dpsFlags,
  enrollmentFlags,
  gatewayFlags,
  jobOf,
  runFlags,
} from './flags';
import type { Streams } from './streams';

const DEFAULT_GLOBAL_ENDPOINT = 'https://global.azure-devices-provisioning.net';
const DEFAULT_CONCURRENCY = 32;
const DEFAULT_CONNECT_TIMEOUT_S = 300;

function reporterOf(flags: Flags, streams: Streams): Reporter {
  if (flags.json === true) return jsonReporter(streams.out);
  return streams.out.isTTY === true ? new LiveTable(streams.out) : plainReporter(streams.out);
}

async function settingsOf(flags: Flags, file: JobFile): Promise<Omit<Job, 'dps'>> {
  return {
    ...(await credentialsOf(flags, file)),
    trustOnFirstUse: flags.trustOnFirstUse ?? file.gateways?.trustOnFirstUse ?? false,
    idScope: required(
      flags.idScope ?? file.dps?.idScope,
      'The ID scope',
      '--id-scope, TPE_ID_SCOPE or dps.idScope in the job file',
    ),
    globalEndpoint: flags.globalEndpoint ?? file.dps?.globalEndpoint ?? DEFAULT_GLOBAL_ENDPOINT,
    registrationIdTemplate: flags.registrationId ?? file.registrationId ?? '{serial}',
    enrollment: file.enrollment ?? {},
    replace: flags.replace ?? false,
    services: {
      enable: flags.enableService ?? file.services?.enable ?? [],
      disable: flags.disableService ?? file.services?.disable ?? [],
    },
    concurrency: flags.concurrency ?? file.concurrency ?? DEFAULT_CONCURRENCY,
    connectTimeoutMs:
      (flags.connectTimeout ?? file.connectTimeoutSeconds ?? DEFAULT_CONNECT_TIMEOUT_S) * 1000,
  };
}

async function run(flags: Flags, streams: Streams): Promise<number> {
  const file = await jobOf(flags);
  const settings = await settingsOf(flags, file);
  const dps = await openDps(flags, file, streams.signal);
  const reporter = reporterOf(flags, streams);
  try {
    const gateways = await discover(flags, file, {
      onFound: (gateway) => reporter.report({ event: 'discovered', gateway }),
      onWarning: (message) => reporter.report({ event: 'warning', message }),
      signal: streams.signal,
    });
    if (gateways.length === 0) throw noGateway(flags, file);
    const results = await runJob({ ...settings, dps }, gateways, reporter, streams.signal);
    return results.every((result) => result.result === 'done') ? 0 : 1;
  } finally {
    reporter.end();
    dps.close();
  }
}

export function addRun(program: Command, streams: Streams): void {
  const command = program
    .command('run')
    .description('take every gateway that is found from its box to its hub');
  for (const add of [commonFlags, discoveryFlags, gatewayFlags, dpsFlags, enrollmentFlags, runFlags])
    add(command);
  command.action(async (flags: Flags) => streams.exit(await run(flags, streams)));
}
