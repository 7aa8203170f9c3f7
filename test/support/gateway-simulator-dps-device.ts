import { createHmac } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { Agent } from 'node:https';
import { reasonOf } from '../../src/common/errors/tpe-error';
import { type HttpsAnswer, httpsCall } from '../../src/common/http/request';
import type { GatewaySimulator } from './gateway-simulator';
import type { StorageKey } from './gateway-simulator-keys';
import { openAuthenticationKey } from './gateway-simulator-tpm';

export interface DpsAddress {
  readonly port: number;
  readonly caFile: string;
}

const API = 'api-version=2021-06-01';
const ATTEMPTS = 20;

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The device side of a registration with TPM attestation, the TPM made of node:crypto. */
export class DpsDevice {
  static #agent: Agent | undefined;
  readonly #dps: DpsAddress;
  readonly #ek: StorageKey;
  readonly #srk: StorageKey;

  constructor(dps: DpsAddress, ek: StorageKey, srk: StorageKey) {
    this.#dps = dps;
    this.#ek = ek;
    this.#srk = srk;
    DpsDevice.#agent ??= new Agent({ keepAlive: true, maxSockets: 16, ca: readFileSync(dps.caFile, 'utf8') });
  }

  /** Registers, as often as DPS asks to wait; the gateway's state tells the outcome. */
  async register(gateway: GatewaySimulator): Promise<void> {
    gateway.state = 'registering';
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      try {
        gateway.assignedHub = await this.#attempt(gateway.provisioning);
        gateway.state = 'connected';
        return;
      } catch (error) {
        gateway.state = 'backingOff';
        gateway.lastError = {
          code: 'DPS_REFUSED',
          message: reasonOf(error),
          advice: 'wait',
          at: new Date().toISOString(),
        };
      }
      await sleep(1000 + Math.random() * 4000);
    }
    gateway.state = 'failed';
  }

  async #call(method: 'PUT' | 'GET', path: string, sas?: string, body?: object): Promise<HttpsAnswer> {
    for (let attempt = 0; ; attempt += 1) {
      const answer = await httpsCall({
        host: 'localhost',
        port: this.#dps.port,
        method,
        path: `${path}?${API}`,
        ...(sas === undefined ? {} : { headers: { Authorization: sas } }),
        ...(body === undefined ? {} : { body }),
        timeoutMs: 60_000,
        agent: DpsDevice.#agent,
      });
      if (answer.status !== 429 || attempt > ATTEMPTS) return answer;
      // A real gateway adds jitter to what DPS asks for, otherwise a thousand come back in one second.
      await sleep((Number(answer.headers['retry-after'] ?? 1) + Math.random() * 5) * 1000);
    }
  }

  async #attempt({ scopeId, registrationId }: { scopeId: string; registrationId: string }): Promise<string> {
    const path = `/${scopeId}/registrations/${registrationId}`;
    const tpm = {
      endorsementKey: this.#ek.public.toString('base64'),
      storageRootKey: this.#srk.public.toString('base64'),
    };
    const challenge = await this.#call('PUT', `${path}/register`, undefined, { registrationId, tpm });
    const { authenticationKey } = JSON.parse(challenge.text) as { authenticationKey?: string };
    if (authenticationKey === undefined) throw new Error(`${challenge.status} ${challenge.text}`);
    const key = openAuthenticationKey(
      Buffer.from(authenticationKey, 'base64'),
      this.#ek.privateKey,
      this.#srk,
    );
    const audience = encodeURIComponent(`${scopeId}/registrations/${registrationId}`);
    const expiry = Math.floor(Date.now() / 1000) + 3600;
    const signature = createHmac('sha256', key).update(`${audience}\n${expiry}`).digest('base64');
    const sas = `SharedAccessSignature sr=${audience}&sig=${encodeURIComponent(signature)}&se=${expiry}&skn=registration`;
    const accepted = await this.#call('PUT', `${path}/register`, sas, { registrationId, tpm });
    const { operationId } = JSON.parse(accepted.text) as { operationId?: string };
    if (operationId === undefined) throw new Error(`${accepted.status} ${accepted.text}`);
    for (;;) {
      const answer = await this.#call('GET', `${path}/operations/${operationId}`, sas);
      const { status, registrationState } = JSON.parse(answer.text) as {
        status?: string;
        registrationState?: { assignedHub?: string };
      };
      if (status === 'assigned') return String(registrationState?.assignedHub);
      if (status !== 'assigning') throw new Error(`${answer.status} ${answer.text}`);
      await sleep(Number(answer.headers['retry-after'] ?? 1) * 1000);
    }
  }
}
