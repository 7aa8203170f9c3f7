import type {
  DeviceRegistrationResult,
  RegistrationRequest,
  TpmProvisioningTransport,
} from 'azure-iot-provisioning-device/dist/interfaces';
import { type Clock, delay } from '../../common/clock';
import { type HttpsAnswer, type HttpsCall, httpsCall } from '../../common/http/request';
import { parseHttpDate, retryAfterMs } from '../../common/http/http-dates';
import { TpeError, toTpeError } from '../../common/errors/tpe-error';
import { type SignHmac, makeSasToken } from '../../common/sas-token';
import type { TrustedTime } from '../../common/trusted-time';
import {
  AssignedState,
  ChallengeAnswer,
  OperationAnswer,
  endedBadly,
  readAnswer,
  refusalError,
} from './dps-answers';

/** The one that aziot uses; the SDK's own HTTP transport is at 2019-03-31. */
const API_VERSION = '2021-06-01';
const DEFAULT_POLL_MS = 2000;
/**
 * Least wait before the second poll, doubled for each further one up to the default, also where DPS says
 * `Retry-After: 0`: a mistake there must not become a load here. Only the first goes by Retry-After alone.
 */
const SECOND_POLL_MS = 5;
/** The SDK gives a poll 30 s by its own timer, so one turn waits at most this long and one call takes the rest. */
const LONGEST_WAIT_MS = 10_000;
export const DPS_CALL_TIMEOUT_MS = 18_000;
const DEFAULT_ASSIGNMENT_LIMIT_MS = 10 * 60 * 1000;
/** From here on a token made by the SDK with the local clock could be refused. */
const SKEW_THAT_MATTERS_MS = 60_000;
const TOKEN_LIFE_SEC = 3600;

export interface DpsTransportOptions {
  readonly host: string;
  readonly port: number;
  readonly idScope: string;
  readonly registrationId: string;
  readonly payload?: object;
  readonly ca?: string;
  readonly agent?: HttpsCall['agent'];
  readonly clock: Clock;
  readonly time: TrustedTime;
  /** HMAC with the challenge key. */
  readonly sign: SignHmac;
  readonly signal: AbortSignal;
  readonly callTimeoutMs?: number;
  /** Longest time from `assigning` to `assigned`. */
  readonly assignmentLimitMs?: number;
}

/** What the SDK's poller takes; `any` in its declaration. */
type PollCallback = (
  error?: Error,
  result?: DeviceRegistrationResult,
  response?: unknown,
  pollingIntervalMs?: number,
) => void;

/**
 * The HTTPS leg of one registration, plugged into azure-iot-provisioning-device by duck typing. Good for one attempt.
 * Waits between polls happen in here instead of in the SDK: by our clock, and ended by the signal.
 */
export class DpsTransport implements TpmProvisioningTransport {
  readonly #options: DpsTransportOptions;
  #keys: { endorsementKey: string; storageRootKey: string } | undefined;
  #token: string | undefined;
  #nextPollAt = 0;
  #polls = 0;
  #assignmentDeadline = 0;

  constructor(options: DpsTransportOptions) {
    this.#options = options;
  }

  setTpmInformation(endorsementKey: Buffer, storageRootKey: Buffer): void {
    this.#keys = {
      endorsementKey: endorsementKey.toString('base64'),
      storageRootKey: storageRootKey.toString('base64'),
    };
  }

  getAuthenticationChallenge(
    _request: RegistrationRequest,
    callback: (error: Error, tpmChallenge?: Buffer) => void,
  ): void {
    this.#challenge().then(
      // The SDK's declaration asks for an Error even where there is none.
      (blob) => callback(null as unknown as Error, blob),
      (error: unknown) => callback(toTpeError(error)),
    );
  }

  respondToAuthenticationChallenge(
    _request: RegistrationRequest,
    sasToken: string,
    callback: (error?: Error) => void,
  ): void {
    this.#prove(sasToken).then(
      () => callback(),
      (error: unknown) => callback(toTpeError(error)),
    );
  }

  registrationRequest(_request: RegistrationRequest, callback: PollCallback): void {
    this.#answerPoll(this.#register(), callback);
  }

  queryOperationStatus(_request: RegistrationRequest, operationId: string, callback: PollCallback): void {
    this.#answerPoll(this.#poll(operationId), callback);
  }

  /** Nothing to take back: a call under way ends by the signal. */
  cancel(callback: (error?: Error) => void): void {
    callback();
  }

  disconnect(callback: (error?: Error) => void): void {
    callback();
  }

  #answerPoll(operation: Promise<DeviceRegistrationResult>, callback: PollCallback): void {
    operation.then(
      (result) => callback(undefined, result, undefined, 0),
      (error: unknown) => callback(toTpeError(error)),
    );
  }

  get #path(): string {
    const { idScope, registrationId } = this.#options;
    return `/${encodeURIComponent(idScope)}/registrations/${encodeURIComponent(registrationId)}`;
  }

  async #call(method: 'PUT' | 'GET', path: string): Promise<HttpsAnswer> {
    const { host, port, ca, agent, signal, callTimeoutMs, payload, registrationId } = this.#options;
    const body = JSON.stringify({
      registrationId,
      tpm: this.#keys,
      ...(payload === undefined ? {} : { payload }),
    });
    const answer = await httpsCall({
      host,
      port,
      method,
      path: `${path}?api-version=${API_VERSION}`,
      headers: {
        Accept: 'application/json',
        ...(method === 'PUT' ? { 'Content-Type': 'application/json; charset=utf-8' } : {}),
        ...(this.#token === undefined ? {} : { Authorization: this.#token }),
      },
      ...(method === 'PUT' ? { body } : {}),
      ...(ca === undefined ? {} : { ca }),
      ...(agent === undefined ? {} : { agent }),
      timeoutMs: callTimeoutMs ?? DPS_CALL_TIMEOUT_MS,
      maxBodyBytes: 64 * 1024,
      signal,
    });
    const date = parseHttpDate(answer.headers.date);
    if (date !== undefined) this.#options.time.observe(date);
    return answer;
  }

  async #challenge(): Promise<Buffer> {
    const answer = await this.#call('PUT', `${this.#path}/register`);
    // A refusal may be 401 too; what makes a challenge is the key (captured answers of the service).
    if (answer.status === 401 && answer.text.includes('"authenticationKey"')) {
      const { authenticationKey } = readAnswer(ChallengeAnswer, answer, this.#options);
      return Buffer.from(authenticationKey, 'base64');
    }
    throw this.#refusal(answer);
  }

  async #prove(sdkToken: string): Promise<void> {
    const { time, idScope, registrationId, sign } = this.#options;
    // The SDK made its token by the process's own clock, whatever clock the rest goes by.
    if (Math.abs(Date.now() - time.now()) < SKEW_THAT_MATTERS_MS) {
      this.#token = sdkToken;
      return;
    }
    const expiry = Math.floor(time.now() / 1000) + TOKEN_LIFE_SEC;
    this.#token = await makeSasToken(
      `${idScope}/registrations/${registrationId}`,
      expiry,
      sign,
      'registration',
    );
  }

  async #register(): Promise<DeviceRegistrationResult> {
    const { clock, assignmentLimitMs } = this.#options;
    this.#assignmentDeadline = clock.monotonic() + (assignmentLimitMs ?? DEFAULT_ASSIGNMENT_LIMIT_MS);
    return this.#read(await this.#call('PUT', `${this.#path}/register`));
  }

  async #poll(operationId: string): Promise<DeviceRegistrationResult> {
    const { clock, signal, assignmentLimitMs } = this.#options;
    const left = this.#nextPollAt - clock.monotonic();
    if (Math.max(this.#nextPollAt, clock.monotonic()) > this.#assignmentDeadline) {
      const limitSec = Math.round((assignmentLimitMs ?? DEFAULT_ASSIGNMENT_LIMIT_MS) / 1000);
      // Waiting longer than this is the state machine's business, which shows it and obeys what DPS asked for.
      const retryAfterSec = Math.max(0, Math.ceil(left / 1000));
      throw new TpeError('DPS_ASSIGNMENT_SLOW', { limitSec, retryAfterSec });
    }
    await delay(clock, Math.min(Math.max(0, left), LONGEST_WAIT_MS), signal);
    signal.throwIfAborted();
    if (left > LONGEST_WAIT_MS) return { operationId, status: 'assigning' };
    this.#polls += 1;
    const answer = await this.#call('GET', `${this.#path}/operations/${encodeURIComponent(operationId)}`);
    // A poll that meets a throttle or a hiccup is repeated: giving up here would cost a whole new registration.
    if (answer.status === 429 || answer.status >= 500) {
      this.#planPoll(answer, 2 * DEFAULT_POLL_MS);
      return { operationId, status: 'assigning' };
    }
    return this.#read(answer, operationId);
  }

  #planPoll(answer: HttpsAnswer, atLeastMs: number): void {
    const { clock } = this.#options;
    const wait = Math.max(atLeastMs, retryAfterMs(answer.headers, clock.now()) ?? DEFAULT_POLL_MS);
    this.#nextPollAt = clock.monotonic() + wait;
  }

  #read(answer: HttpsAnswer, polledId?: string): DeviceRegistrationResult {
    if (answer.status !== 200 && answer.status !== 202) throw this.#refusal(answer);
    const operation = readAnswer(OperationAnswer, answer, this.#options);
    const ended = endedBadly(operation, this.#options);
    if (ended !== undefined) throw ended;
    const operationId = operation.operationId ?? polledId;
    if (operationId === undefined) {
      const { host } = this.#options;
      throw new TpeError('DPS_ANSWER_INVALID', { host, reason: 'it has no operationId' });
    }
    if (operation.status.toLowerCase() === 'assigning') {
      const doubled = SECOND_POLL_MS * 2 ** (this.#polls - 1);
      this.#planPoll(answer, this.#polls === 0 ? 0 : Math.min(doubled, DEFAULT_POLL_MS));
      return { operationId, status: 'assigning' };
    }
    const state = JSON.parse(answer.text) as { registrationState?: unknown };
    const checked = readAnswer(
      AssignedState,
      { ...answer, text: JSON.stringify(state.registrationState ?? null) },
      this.#options,
    );
    const { tpm, ...rest } = checked;
    return {
      operationId,
      status: 'assigned',
      // The SDK reads `tpm.authenticationKey`, although its declaration of `tpm` does not know it.
      registrationState: { ...rest, status: 'assigned', tpm: tpm as never },
    };
  }

  #refusal(answer: HttpsAnswer): TpeError {
    const withToken = this.#token !== undefined;
    return refusalError(answer, this.#options, { withToken, nowMs: this.#options.clock.now() });
  }
}
