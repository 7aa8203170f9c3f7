import type { Command } from 'commander';
import type { Job } from '../flow/job';
import { runJob } from '../flow/run-job';
import { serialNotes } from '../discovery/serial-notes';
import { BulkEnroller } from '../dps/bulk-enroller';
import { type Book, MemoryBook } from '../journal/book';
import { Journal } from '../journal/journal';
import { stageReached } from '../journal/record';
import type { Reporter } from '../report/events';
import { jsonReporter } from '../report/json-lines';
import { LiveTable } from '../report/live-table';
import { checkReportPath, writeReport } from '../report/report-file';
import { plainReporter } from '../report/plain';
import { type JobFile } from '../settings/job-file';
import { loadRoots } from '../trust/ek-certificate';
import { credentialsOf, factoryOf, journalPath, openDps, required } from './connect';
import { checkOnly, discover, noGateway } from './discovery';
import {
  type Flags,
  commonFlags,
  discoveryFlags,
  dpsFlags,
  enrollmentFlags,
  fromFlag,
  gatewayFlags,
  jobOf,
  runFlags,
  trustFlags,
} from './flags';
import type { Streams } from './streams';

const DEFAULT_GLOBAL_ENDPOINT = 'https://global.azure-devices-provisioning.net';
const DEFAULT_CONCURRENCY = 32;
const DEFAULT_CONNECT_TIMEOUT_S = 300;

function reporterOf(flags: Flags, streams: Streams): Reporter {
  if (flags.json === true) return jsonReporter(streams.out);
  return streams.out.isTTY === true ? new LiveTable(streams.out) : plainReporter(streams.out);
}

function registrationSettings(flags: Flags, file: JobFile): Pick<Job, 'idScope' | 'globalEndpoint'> {
  const until = flags.until ?? file.until ?? 'connected';
  const idScope = flags.idScope ?? file.dps?.idScope;
  return {
    idScope: stageReached(until, 'configured')
      ? required(idScope, 'The ID scope', '--id-scope, TPE_ID_SCOPE or dps.idScope in the job file')
      : (idScope ?? ''),
    globalEndpoint: flags.globalEndpoint ?? file.dps?.globalEndpoint ?? DEFAULT_GLOBAL_ENDPOINT,
  };
}

async function trustSettings(
  flags: Flags,
  file: JobFile,
): Promise<Pick<Job, 'trustOnFirstUse' | 'factory' | 'ekRoots' | 'require' | 'replace'>> {
  const ekRoots = flags.ekRoots ?? file.gateways?.ekRoots;
  return {
    trustOnFirstUse: flags.trustOnFirstUse ?? file.gateways?.trustOnFirstUse ?? false,
    factory: await factoryOf(flags, file),
    ekRoots: ekRoots === undefined ? [] : await loadRoots(ekRoots),
    require: flags.require ?? file.gateways?.require ?? [],
    replace: flags.replace ?? false,
  };
}

function workSettings(
  flags: Flags,
  file: JobFile,
): Pick<
  Job,
  | 'until'
  | 'registrationIdTemplate'
  | 'enrollment'
  | 'services'
  | 'steps'
  | 'concurrency'
  | 'connectTimeoutMs'
> {
  return {
    until: flags.until ?? file.until ?? 'connected',
    registrationIdTemplate: flags.registrationId ?? file.registrationId ?? '{serial}',
    enrollment: file.enrollment ?? {},
    steps: file.steps ?? [],
    services: {
      enable: flags.enableService ?? file.services?.enable ?? [],
      disable: flags.disableService ?? file.services?.disable ?? [],
    },
    concurrency: flags.concurrency ?? file.concurrency ?? DEFAULT_CONCURRENCY,
    connectTimeoutMs:
      (flags.connectTimeout ?? file.connectTimeoutSeconds ?? DEFAULT_CONNECT_TIMEOUT_S) * 1000,
  };
}

/** The journal that is named, or the one beside the job file; without both what is known ends with the run. */
async function bookOf(flags: Flags, file: JobFile): Promise<Book> {
  const path = journalPath(flags, file);
  return path === undefined ? new MemoryBook() : Journal.open(path);
}

async function run(flags: Flags, streams: Streams): Promise<number> {
  const startedAt = new Date().toISOString();
  const file = await jobOf(flags);
  const reports = flags.report ?? file.reports ?? [];
  for (const path of reports) checkReportPath(path);
  const work = { ...workSettings(flags, file), ...registrationSettings(flags, file) };
  const trust = await trustSettings(flags, file);
  const dps = stageReached(work.until, 'enrolled') ? await openDps(flags, file, streams) : undefined;
  const closing: { close(): void | Promise<void> }[] = dps === undefined ? [] : [dps];
  const reporter = reporterOf(flags, streams);
  try {
    const credentials = await credentialsOf(flags, file, trust.factory, streams, true);
    closing.push(credentials);
    const book = await bookOf(flags, file);
    closing.push(book);
    const gateways = await discover(flags, file, {
      onFound: (gateway) => reporter.report({ event: 'discovered', gateway }),
      onWarning: (message) => reporter.report({ event: 'warning', message }),
      signal: streams.signal,
    });
    if (gateways.length === 0 && [...book.all()].length === 0) throw noGateway(flags, file);
    checkOnly(flags.only, [...gateways, ...[...book.all()].map(({ gateway }) => gateway)]);
    for (const message of serialNotes(gateways)) reporter.report({ event: 'warning', message });
    const enroller = dps === undefined ? undefined : new BulkEnroller(dps);
    const job: Job = { ...work, ...trust, ...credentials, dps: enroller };
    const options = { signal: streams.signal, ...(flags.only === undefined ? {} : { only: flags.only }) };
    const results = await runJob(job, book, gateways, reporter, options);
    const endedAt = new Date().toISOString();
    const header = { startedAt, endedAt, idScope: job.idScope, until: job.until };
    for (const path of reports) await writeReport(path, header, results);
    return results.every((result) => result.result === 'done') ? 0 : 1;
  } finally {
    reporter.end();
    for (const part of closing.reverse()) await part.close();
  }
}

export function addRun(program: Command, streams: Streams): void {
  const command = program
    .command('run')
    .description('take every gateway that is found from its box to its hub');
  for (const add of [
    commonFlags,
    discoveryFlags,
    gatewayFlags,
    fromFlag,
    trustFlags,
    dpsFlags,
    enrollmentFlags,
    runFlags,
  ]) {
    add(command);
  }
  command.action(async (flags: Flags) => streams.exit(await run(flags, streams)));
}
