import { Agent } from 'node:https';
import type { Static, TSchema } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { TpeError, isTpeError, reasonOf } from '../../common/errors/tpe-error';
import { type HttpsAnswer, type HttpsCall, httpsCall } from '../../common/http/request';
import { validate } from '../../common/validate';
import { ErrorEnvelope } from '../../protocol/api-types';
import { type Gateway, nameOf } from '../device';
import { DataEnvelope } from './schemas';

type Method = HttpsCall['method'];

export interface GatewayClientOptions {
  readonly gateway: Gateway;
  /** Base64 SHA-256 of the key that is believed. */
  readonly pinnedKey: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A gateway of the smallest kind hashes a password in seconds, and under load in many. */
const DEFAULT_TIMEOUT_MS = 45_000;
const MAX_ANSWER_BYTES = 512 * 1024;

/** An answer with its HTTP status; `data` is the envelope's, `undefined` without a body. */
export interface GatewayAnswer {
  readonly status: number;
  readonly data: unknown;
  /** Message and advice of an error answer. */
  readonly error?: ErrorEnvelope['error'];
  readonly serverKey: string;
}

/**
 * The REST API of one gateway, over one kept-alive connection whose key is pinned. `close()` it.
 * Every call checks the pinned key, also on a connection that was opened for an earlier call.
 */
export class GatewayClient {
  readonly gateway: Gateway;
  readonly #options: GatewayClientOptions;
  // Without session cache: a resumed session carries no certificate to check.
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1, maxCachedSessions: 0 });
  #token: string | undefined;

  constructor(options: GatewayClientOptions) {
    this.#options = options;
    this.gateway = options.gateway;
  }

  set token(token: string | undefined) {
    this.#token = token;
  }

  get hasToken(): boolean {
    return this.#token !== undefined;
  }

  close(): void {
    this.#agent.destroy();
  }

  /** One call; the HTTP status is the caller's to judge. */
  async send(method: Method, path: string, body?: object): Promise<GatewayAnswer> {
    const answer = await this.#send(method, path, body);
    if (answer.text === '') return { status: answer.status, data: undefined, serverKey: answer.serverKey };
    const parsed = this.#parse(method, path, answer);
    if (Value.Check(ErrorEnvelope, parsed)) {
      return { status: answer.status, data: undefined, error: parsed.error, serverKey: answer.serverKey };
    }
    const data = Value.Check(DataEnvelope, parsed) ? parsed.data : parsed;
    return { status: answer.status, data, serverKey: answer.serverKey };
  }

  /**
   * One call that must succeed.
   * @throws PROVISION_GATEWAY_REFUSED for any status but 2xx, PROVISION_GATEWAY_ANSWER, HTTP_*.
   */
  async call(method: Method, path: string, body?: object): Promise<unknown> {
    const answer = await this.send(method, path, body);
    if (answer.status < 200 || answer.status > 299) throw this.refusal(method, path, answer);
    return answer.data;
  }

  /** Like {@link call}, with the shape of the answer checked. */
  async read<S extends TSchema>(schema: S, method: Method, path: string, body?: object): Promise<Static<S>> {
    const data = await this.call(method, path, body);
    try {
      return validate(schema, data, 'the answer');
    } catch (error) {
      throw this.#notUnderstood(method, path, error);
    }
  }

  /** The error for an answer that is a refusal. */
  refusal(method: Method, path: string, answer: GatewayAnswer): TpeError {
    return new TpeError(
      'PROVISION_GATEWAY_REFUSED',
      {
        device: nameOf(this.gateway),
        status: answer.status,
        method,
        path,
        reason: answer.error?.message ?? 'no reason given',
        hint: (
          answer.error?.advice ?? 'Look at the audit log and "tpe-agentctl check" on the gateway.'
        ).replace(/\.$/, ''),
      },
      { retryable: answer.status === 429 || answer.status >= 500 },
    );
  }

  async #send(method: Method, path: string, body: object | undefined): Promise<HttpsAnswer> {
    const { gateway, pinnedKey, timeoutMs, signal } = this.#options;
    const call = (): Promise<HttpsAnswer> =>
      httpsCall({
        host: gateway.address,
        port: gateway.port,
        method,
        path: `${gateway.apiBase}${path}`,
        // Moxa's own helper sends the content type on every call, also without a body.
        headers: {
          'Content-Type': 'application/json',
          ...(this.#token === undefined ? {} : { Authorization: `Bearer ${this.#token}` }),
        },
        ...(body === undefined ? {} : { body }),
        pinnedKey,
        timeoutMs: timeoutMs ?? DEFAULT_TIMEOUT_MS,
        maxBodyBytes: MAX_ANSWER_BYTES,
        agent: this.#agent,
        ...(signal === undefined ? {} : { signal }),
      });
    try {
      return await call();
    } catch (error) {
      // A kept-alive connection may close in the moment of reuse; reading again is harmless.
      if (method === 'GET' && isTpeError(error, 'HTTP_UNREACHABLE') && signal?.aborted !== true)
        return call();
      throw error;
    }
  }

  #parse(method: Method, path: string, answer: HttpsAnswer): unknown {
    try {
      return JSON.parse(answer.text);
    } catch (error) {
      throw this.#notUnderstood(method, path, error);
    }
  }

  #notUnderstood(method: Method, path: string, error: unknown): TpeError {
    const details = { device: nameOf(this.gateway), method, path, reason: reasonOf(error) };
    return new TpeError('PROVISION_GATEWAY_ANSWER', details, { cause: error });
  }
}
