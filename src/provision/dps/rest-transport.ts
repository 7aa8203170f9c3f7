import { Agent } from 'node:https';
import type { ProvisioningServiceClient } from 'azure-iot-provisioning-service';
import { fullJitter } from '../../common/backoff';
import { TpeError, isTpeError } from '../../common/errors/tpe-error';
import { type HttpsAnswer, type HttpsCall, httpsCall } from '../../common/http/request';
import { pause } from '../pause';
import { serviceSas } from './sas';

export interface DpsEndpoint {
  readonly host: string;
  readonly port: number;
  /** Host name that tokens are made for, where it is not the one that is dialled. */
  readonly audience?: string;
  /** What is spoken to, for messages; `DPS` when left out. */
  readonly service?: string;
  readonly policyName: string;
  /** Base64. */
  readonly policyKey: string;
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string;
}

type RestApiClient = NonNullable<ConstructorParameters<typeof ProvisioningServiceClient>[1]>;
type Done = (error: unknown, body?: unknown, response?: unknown) => void;

const TIMEOUT_MS = 30_000;
const ATTEMPTS = 8;
const BACKOFF = { baseMs: 500, capMs: 30_000 };
const LONGEST_RETRY_AFTER_S = 300;
const TOKEN_LIFE_S = 3600;
const MAX_CONNECTIONS = 8;

function reasonIn(answer: HttpsAnswer): string {
  try {
    const body: unknown = JSON.parse(answer.text);
    if (typeof body === 'object' && body !== null) {
      for (const name of ['message', 'Message']) {
        const value = (body as Record<string, unknown>)[name];
        if (typeof value === 'string') return value.slice(0, 300);
      }
    }
  } catch {
    return answer.text === '' ? 'no reason given' : answer.text.slice(0, 200);
  }
  return 'no reason given';
}

function retryAfterMs(answer: HttpsAnswer): number | undefined {
  const seconds = Number(answer.headers['retry-after']);
  return Number.isFinite(seconds) && seconds >= 0
    ? Math.min(seconds, LONGEST_RETRY_AFTER_S) * 1000
    : undefined;
}

/**
 * Carries the calls of Microsoft's service client: with our own port and CA, errors of the registry, fresh signatures,
 * and 429 and 5xx waited out as the service says. The SDK's own transport knows none of these.
 */
export class DpsRestTransport {
  readonly #endpoint: DpsEndpoint;
  readonly #agent: Agent;
  readonly #signal: AbortSignal | undefined;
  /** While the service throttles, every call waits, not only the one that was told so. */
  #notBefore = 0;
  #throttled = 0;

  constructor(endpoint: DpsEndpoint, signal?: AbortSignal) {
    this.#endpoint = endpoint;
    this.#signal = signal;
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: MAX_CONNECTIONS,
      ...(endpoint.ca === undefined ? {} : { ca: endpoint.ca }),
    });
  }

  /** How often the service said 429. */
  get throttled(): number {
    return this.#throttled;
  }

  get #service(): string {
    return this.#endpoint.service ?? 'DPS';
  }

  close(): void {
    this.#agent.destroy();
  }

  /** Only `executeApiCall` of the SDK's transport class is ever called. */
  asSdkTransport(): RestApiClient {
    const executeApiCall = (
      method: HttpsCall['method'],
      path: string,
      headers: Record<string, string>,
      body: object | undefined,
      done: Done,
    ): void => {
      // The SDK writes "/enrollments/?api-version" for the bulk call; the documented path has no slash at its end.
      this.request(method, path.replace('/?', '?'), headers, body).then(
        (answer) => {
          try {
            done(null, answer.text === '' ? undefined : JSON.parse(answer.text), { headers: answer.headers });
          } catch (error) {
            done(error);
          }
        },
        (error: unknown) => done(error),
      );
    };
    return { executeApiCall } as unknown as RestApiClient;
  }

  /** @throws PROVISION_DPS_UNAUTHORIZED, PROVISION_DPS_REFUSED, PROVISION_DPS_BUSY, HTTP_* */
  async request(
    method: HttpsCall['method'],
    path: string,
    headers: Readonly<Record<string, string>>,
    body?: object,
  ): Promise<HttpsAnswer> {
    for (let attempt = 1; ; attempt += 1) {
      await pause(this.#notBefore - performance.now(), this.#signal);
      const answer = await this.#once(method, path, headers, body, attempt);
      if (answer === undefined) continue;
      if (answer.status < 300) return answer;
      if (answer.status !== 429 && answer.status < 500) throw this.#refusal(method, path, answer);
      if (attempt >= ATTEMPTS) {
        throw new TpeError('PROVISION_DPS_BUSY', {
          service: this.#service,
          status: answer.status,
          attempts: attempt,
        });
      }
      if (answer.status === 429) this.#throttled += 1;
      const waitMs = (retryAfterMs(answer) ?? 0) + fullJitter(attempt, BACKOFF);
      if (answer.status === 429) this.#notBefore = Math.max(this.#notBefore, performance.now() + waitMs);
      else await pause(waitMs, this.#signal);
    }
  }

  /** `undefined` when the network failed and another attempt is due. */
  async #once(
    method: HttpsCall['method'],
    path: string,
    headers: Readonly<Record<string, string>>,
    body: object | undefined,
    attempt: number,
  ): Promise<HttpsAnswer | undefined> {
    const { host, port, audience = host, policyName, policyKey, ca } = this.#endpoint;
    const expiry = Math.floor(Date.now() / 1000) + TOKEN_LIFE_S;
    try {
      return await httpsCall({
        host,
        port,
        method,
        path,
        headers: { ...headers, Authorization: serviceSas(audience, policyName, policyKey, expiry) },
        ...(body === undefined ? {} : { body }),
        ...(ca === undefined ? {} : { ca }),
        timeoutMs: TIMEOUT_MS,
        agent: this.#agent,
        ...(this.#signal === undefined ? {} : { signal: this.#signal }),
      });
    } catch (error) {
      const again = isTpeError(error, 'HTTP_UNREACHABLE', 'HTTP_TIMEOUT') && attempt < 3;
      if (!again || this.#signal?.aborted === true) throw error;
      await pause(fullJitter(attempt, BACKOFF), this.#signal);
      return undefined;
    }
  }

  #refusal(method: string, path: string, answer: HttpsAnswer): TpeError {
    const reason = reasonIn(answer);
    if (answer.status === 401 || answer.status === 403) {
      return new TpeError('PROVISION_DPS_UNAUTHORIZED', {
        service: this.#service,
        policy: this.#endpoint.policyName,
        reason,
      });
    }
    const where = path.split('?')[0] ?? path;
    return new TpeError('PROVISION_DPS_REFUSED', {
      service: this.#service,
      status: answer.status,
      method,
      path: where,
      reason,
    });
  }
}
