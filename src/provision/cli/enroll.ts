import { type Command } from 'commander';
import { TpeError, isTpeError, toTpeError } from '../../common/errors/tpe-error';
import { redact } from '../../common/redact';
import type { Gateway } from '../device';
import { BulkEnroller } from '../dps/bulk-enroller';
import type { EnrollmentOptions } from '../dps/enrollment';
import type { DpsService } from '../dps/service';
import { clashesIn, nameOfEntry } from '../factory-clashes';
import { type FactoryEntry, loadFactoryRecord } from '../factory-record';
import { inParallel } from '../pool';
import type { JobFile } from '../settings/job-file';
import { fillDeep, placeholdersOf, registrationIdOf } from '../template';
import { openDps, required } from './connect';
import { type Flags, commonFlags, dpsFlags, enrollmentFlags, jobOf } from './flags';
import type { Streams } from './streams';

/** Enough for the gathered calls to be full ones, on all connections. */
const WIDTH = 80;

interface EnrollFlags extends Flags {
  readonly dryRun?: boolean;
  readonly delete?: string[];
}

/** A gateway of a list, as far as templates need it. */
function gatewayOf(entry: FactoryEntry): Gateway {
  return {
    deviceId: entry.serialNumber,
    serialNumber: entry.serialNumber,
    mac: entry.mac ?? '',
    modelName: entry.modelName ?? '',
    firmwareVersion: '',
    address: `line ${entry.line}`,
    port: 0,
    apiBase: '',
    keySha256: entry.keySha256 ?? '',
  };
}

interface Outcome {
  readonly registrationId: string;
  readonly outcome: string;
  readonly failure?: { code: string; message: string; advice: string };
}

async function attempt(registrationId: string, work: () => Promise<string>): Promise<Outcome> {
  try {
    return { registrationId, outcome: await work() };
  } catch (error) {
    const { code, message, advice } = toTpeError(error);
    return { registrationId, outcome: 'failed', failure: { code, message, advice } };
  }
}

/** @throws PROVISION_REGISTRATION_ID_INVALID */
function idOf(entry: FactoryEntry, flags: EnrollFlags, file: JobFile): string {
  const template = flags.registrationId ?? file.registrationId ?? '{serial}';
  return entry.registrationId ?? registrationIdOf(gatewayOf(entry), template);
}

function clashesOf(
  entries: readonly FactoryEntry[],
  flags: EnrollFlags,
  file: JobFile,
): Map<number, TpeError> {
  return clashesIn(entries, (entry) => {
    try {
      return idOf(entry, flags, file);
    } catch (error) {
      // Told when the line's turn comes.
      if (isTpeError(error, 'PROVISION_REGISTRATION_ID_INVALID')) return undefined;
      throw error;
    }
  });
}

async function enrollEntry(
  dps: DpsService,
  enroller: BulkEnroller,
  entry: FactoryEntry,
  clash: TpeError | undefined,
  flags: EnrollFlags,
  file: JobFile,
): Promise<Outcome> {
  const gateway = gatewayOf(entry);
  return attempt(entry.registrationId ?? entry.serialNumber.toLowerCase(), async () => {
    const registrationId = idOf(entry, flags, file);
    if (clash !== undefined) throw clash;
    if (entry.endorsementKey === undefined) {
      throw new TpeError('PROVISION_NO_EK', { device: nameOfEntry(entry) });
    }
    const options = fillDeep(file.enrollment ?? {}, placeholdersOf(gateway)) as EnrollmentOptions;
    const request = { registrationId, endorsementKey: entry.endorsementKey, options };
    return flags.dryRun === true
      ? `would be ${await dps.plan(request, flags.replace)}`
      : enroller.ensure(request, flags.replace ?? false);
  });
}

async function removeOne(dps: DpsService, registrationId: string, dryRun: boolean): Promise<Outcome> {
  return attempt(registrationId, async () => {
    if (dryRun) return (await dps.find(registrationId)) === undefined ? 'not there' : 'would be deleted';
    return (await dps.remove(registrationId)) ? 'deleted' : 'not there';
  });
}

function print(outcome: Outcome, json: boolean, streams: Streams): void {
  if (json) {
    const event = { time: new Date().toISOString(), event: 'enrollment', ...outcome };
    streams.out.write(`${JSON.stringify(event)}\n`);
    return;
  }
  const { registrationId, failure } = outcome;
  const text =
    failure === undefined
      ? outcome.outcome
      : `FAILED ${failure.code}: ${failure.message}\n  what to do: ${failure.advice}`;
  streams.out.write(redact(`${registrationId} ${text}\n`));
}

async function enroll(flags: EnrollFlags, streams: Streams): Promise<number> {
  const file = await jobOf(flags);
  const removing = flags.delete !== undefined;
  const from = removing
    ? ''
    : required(flags.from ?? file.gateways?.from, 'The list of gateways', '--from FILE');
  const entries = removing ? [] : await loadFactoryRecord(from);
  const dps = await openDps(flags, file, streams);
  const enroller = new BulkEnroller(dps);
  const show = (outcome: Outcome): Outcome => {
    print(outcome, flags.json === true, streams);
    return outcome;
  };
  try {
    const removed = await inParallel(flags.delete ?? [], WIDTH, async (id) =>
      show(await removeOne(dps, id, flags.dryRun === true)),
    );
    const clashing = clashesOf(entries, flags, file);
    const made = await inParallel(entries, WIDTH, async (entry) =>
      show(await enrollEntry(dps, enroller, entry, clashing.get(entry.line), flags, file)),
    );
    return [...removed, ...made].some((outcome) => outcome.failure !== undefined) ? 1 : 0;
  } finally {
    dps.close();
  }
}

export function addEnroll(program: Command, streams: Streams): void {
  const command = program
    .command('enroll')
    .description('make or delete enrollments without any gateway at hand')
    .option('--from <file>', 'CSV with serialNumber and endorsementKey; also mac, modelName, registrationId')
    .option('--delete <id...>', 'delete these enrollments instead')
    .option('--dry-run', 'say what would be done, change nothing');
  for (const add of [commonFlags, dpsFlags, enrollmentFlags]) add(command);
  command.action(async (flags: EnrollFlags) => streams.exit(await enroll(flags, streams)));
}
