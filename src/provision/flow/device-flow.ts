import { TpeError, isTpeError, toTpeError } from '../../common/errors/tpe-error';
import { nameOf } from '../device';
import type { EnrollmentOptions } from '../dps/enrollment';
import type { GatewayClient } from '../gateway/client';
import type { Book } from '../journal/book';
import { type DeviceRecord, type Stage, stageReached } from '../journal/record';
import type { DeviceResult, Failure, Reporter, Step } from '../report/events';
import { fillDeep, placeholdersOf, registrationIdOf } from '../template';
import { setClock } from './clock';
import { checkIdentity } from './identity';
import { enableProvisioning, setServices, writeBack } from './configure';
import { plainKey, provenKey } from './endorsement-key';
import type { Job } from './job';
import { runRestSteps } from './rest-steps';
import { changeInitialPassword } from './login';
import { Session } from './session';
import { watchUntilConnected } from './watch';

/** Takes one gateway from the stage it has reached to the one that is wanted. Never rejects, the book's errors aside. */
export class DeviceFlow {
  readonly #job: Job;
  readonly #book: Book;
  readonly #reporter: Reporter;
  readonly #signal: AbortSignal | undefined;
  readonly #session: Session;
  readonly #deviceId: string;
  #lastStep: Step | undefined;

  constructor(job: Job, book: Book, record: DeviceRecord, reporter: Reporter, signal?: AbortSignal) {
    this.#job = job;
    this.#book = book;
    this.#reporter = reporter;
    this.#signal = signal;
    this.#deviceId = record.gateway.deviceId;
    this.#session = new Session(job, book, record.gateway, signal);
  }

  async run(): Promise<DeviceResult> {
    const started = performance.now();
    let failure: Failure | undefined;
    try {
      await this.#stages();
    } catch (error) {
      failure = this.#failureOf(error);
    } finally {
      this.#session.close();
    }
    const durationMs = Math.round(performance.now() - started);
    const record = await this.#book.update(this.#deviceId, { failure: failure ?? null, durationMs });
    const result = resultOf(record, this.#lastStep);
    this.#reporter.report({ event: 'device', ...result });
    return result;
  }

  get #record(): DeviceRecord {
    const record = this.#book.get(this.#deviceId);
    if (record === undefined) throw new TpeError('INTERNAL', { reason: `no record of ${this.#deviceId}` });
    return record;
  }

  #failureOf(error: unknown): Failure {
    // The journal is the promise that nothing is done twice; without it the whole run has to end.
    if (isTpeError(error, 'PROVISION_JOURNAL_NOT_WRITTEN')) throw error;
    const device = nameOf(this.#record.gateway);
    const interrupted = this.#signal?.aborted === true;
    const known = interrupted ? new TpeError('PROVISION_INTERRUPTED', { device }) : toTpeError(error);
    const { code, message, advice, retryable } = known;
    return { code, message, advice, retryable };
  }

  async #stages(): Promise<void> {
    const stages: [Stage, () => Promise<Partial<DeviceRecord>>][] = [
      ['collected', () => this.#collect()],
      ['enrolled', () => this.#enroll()],
      ['configured', () => this.#configure()],
      ['connected', () => this.#connect()],
    ];
    for (const [stage, reach] of stages) {
      if (!stageReached(this.#record.stage, stage)) {
        const learned = await reach();
        await this.#book.update(this.#deviceId, { ...learned, stage });
      }
      if (stage === this.#job.until) return;
    }
  }

  async #collect(): Promise<Partial<DeviceRecord>> {
    const { gateway } = this.#record;
    const registrationId = registrationIdOf(gateway, this.#job.registrationIdTemplate);
    const client = await this.#open();
    const proven = await this.#step('endorsementKey', () => provenKey(client, this.#job, this.#book));
    await this.#step('password', async () => {
      const changing = (): Promise<unknown> => this.#book.update(this.#deviceId, { password: 'changing' });
      const changed = await changeInitialPassword(client, this.#job, this.#session.login, changing);
      if (changed) await this.#book.update(this.#deviceId, { password: 'changed' });
      return changed ? 'changed' : 'kept';
    });
    await this.#step('identity', () => checkIdentity(client));
    const key = proven ?? (await this.#step('endorsementKey', () => plainKey(client, this.#job, this.#book)));
    return { ...key, registrationId };
  }

  async #enroll(): Promise<Partial<DeviceRecord>> {
    const { gateway, endorsementKey = '' } = this.#record;
    const registrationId = registrationIdOf(gateway, this.#job.registrationIdTemplate);
    const options = fillDeep(this.#job.enrollment, placeholdersOf(gateway)) as EnrollmentOptions;
    const { dps, replace } = this.#job;
    if (dps === undefined) throw new TpeError('INTERNAL', { reason: 'a run that enrolls has no DPS' });
    await this.#step('enrollment', () => dps.ensure({ registrationId, endorsementKey, options }, replace));
    return { registrationId };
  }

  async #configure(): Promise<Partial<DeviceRecord>> {
    const { globalEndpoint, idScope, services, steps } = this.#job;
    const registrationId = this.#record.registrationId ?? '';
    const client = await this.#open();
    await this.#step('clock', () => setClock(client));
    await this.#step('writeBack', () => writeBack(client, { globalEndpoint, idScope, registrationId }));
    await this.#step('services', async () => `${await setServices(client, services)} set`);
    if (steps.length > 0) await this.#step('steps', async () => `${await runRestSteps(client, steps)} made`);
    await this.#step('enable', () => enableProvisioning(client));
    return {};
  }

  async #connect(): Promise<Partial<DeviceRecord>> {
    const client = await this.#open();
    const status = await this.#step('connect', () =>
      watchUntilConnected(client, this.#record.registrationId ?? '', {
        timeoutMs: this.#job.connectTimeoutMs,
        relogin: () => this.#session.relogin(),
        ...(this.#signal === undefined ? {} : { signal: this.#signal }),
      }),
    );
    return { assignedHub: status.assignedHub ?? null };
  }

  async #open(): Promise<GatewayClient> {
    return this.#session.isOpen ? this.#session.open() : this.#step('login', () => this.#session.open());
  }

  async #step<T>(step: Step, run: () => Promise<T>): Promise<T> {
    const { deviceId, serialNumber } = this.#record.gateway;
    const started = performance.now();
    this.#reporter.report({ event: 'step', deviceId, serialNumber, step, status: 'started' });
    const value = await run();
    this.#lastStep = step;
    const durationMs = Math.round(performance.now() - started);
    const detail = detailOf(value);
    this.#reporter.report({
      event: 'step',
      deviceId,
      serialNumber,
      step,
      status: 'done',
      durationMs,
      ...(detail === undefined ? {} : { detail }),
    });
    return value;
  }
}

function detailOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value !== 'object' || value === null) return undefined;
  if ('evidence' in value) return `evidence: ${String(value.evidence)}`;
  return 'assignedHub' in value ? String(value.assignedHub) : undefined;
}

/** What is reported of a gateway, from its record. */
export function resultOf(record: DeviceRecord, lastStep?: Step): DeviceResult {
  const { gateway, stage, registrationId, endorsementKey, evidence, assignedHub, failure, durationMs } =
    record;
  return {
    gateway,
    registrationId: registrationId ?? '',
    endorsementKey: endorsementKey ?? '',
    result: failure ? 'failed' : 'done',
    stage,
    lastStep,
    durationMs: durationMs ?? 0,
    ...(evidence === undefined ? {} : { evidence }),
    ...(assignedHub ? { assignedHub } : {}),
    ...(failure ? { failure: failure } : {}),
  };
}
