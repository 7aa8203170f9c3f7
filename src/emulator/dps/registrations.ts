import { generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { isTpeError, reasonOf } from '../../common/errors/tpe-error';
import type { Logger } from '../../common/logger';
import type { FaultAction, Faults } from '../faults/faults';
import type { Hub } from '../hub/hub';
import { type SasToken, audience, parseSas } from '../sas/sas';
import type { ServiceClock } from '../service-clock';
import type { Collection } from '../store/collection';
import { wrapForTpm } from '../tpm/authentication-key';
import { type StorageKey, parseStorageKey } from '../tpm/public-area';
import { assign, pastOf } from './assignment';
import { Challenges } from './challenges';
import type { Enrollment, RegisterBody, Registration } from './records';
import { refusal } from './refusal';
import type { DpsSettings } from './settings';
import { corruptBlob } from './spoil-blob';

interface Operation {
  readonly registrationId: string;
  readonly srk: StorageKey;
  readonly ek: StorageKey;
  readonly readyMs: number;
  result: Registration | undefined;
}

const KEY_BYTES = 32;
/** Finished operations stay readable for a while; the oldest are forgotten first. */
const MOST_OPERATIONS = 100_000;

export interface RegistrationsOptions {
  readonly idScope: string;
  readonly enrollments: Collection<typeof Enrollment>;
  readonly registrations: Collection<typeof Registration>;
  readonly hubs: ReadonlyMap<string, Hub>;
  readonly clock: ServiceClock;
  readonly settings: DpsSettings;
  readonly faults: Faults;
  readonly logger: Logger;
}

/** What a device's request is answered with: a challenge, or the state of its operation. */
export type DeviceAnswer =
  | { kind: 'challenge'; authenticationKey: string }
  | { kind: 'assigning'; operationId: string; registrationId: string }
  | { kind: 'done'; operationId: string; registration: Registration; authenticationKey: string | undefined };

/** TPM attestation on the service's side: challenge, proof, assignment. */
export class Registrations {
  readonly #challenges = new Challenges();
  readonly #operations = new Map<string, Operation>();
  /** SRK of a device between challenge and proof, for clients that leave the keys out of the second request. */
  readonly #keys = new Map<string, { ek: StorageKey; srk: StorageKey }>();

  constructor(private readonly options: RegistrationsOptions) {}

  /** First request, without a token: a key that only this TPM can open. */
  challenge(id: string, body: RegisterBody, fault: FaultAction | undefined): DeviceAnswer {
    const keys = this.#checkKeys(id, body);
    const key = randomBytes(KEY_BYTES);
    this.#challenges.add(id, fault?.type === 'wrongKey' ? randomBytes(KEY_BYTES) : key, this.#now);
    this.#keys.delete(id);
    this.#keys.set(id, keys);
    const [oldest] = this.#keys.keys();
    if (this.#keys.size > MOST_OPERATIONS && oldest !== undefined) this.#keys.delete(oldest);
    return { kind: 'challenge', authenticationKey: this.#wrap(keys, key, fault) };
  }

  /** Second request, with the token that proves the challenge was opened. */
  register(
    id: string,
    body: RegisterBody,
    authorization: string,
    fault: FaultAction | undefined,
  ): DeviceAnswer {
    this.#authorize(id, authorization);
    const keys = body.tpm === undefined ? this.#keys.get(id) : this.#checkKeys(id, body);
    if (keys === undefined) throw refusal('unauthorized');
    const operationId = `4.${randomBytes(8).toString('hex')}.${randomUUID()}`;
    const { assignmentDelayMs } = this.options.settings;
    const operation: Operation = {
      registrationId: id,
      ...keys,
      readyMs: performance.now() + assignmentDelayMs,
      result: undefined,
    };
    this.#operations.set(operationId, operation);
    const [oldest] = this.#operations.keys();
    if (this.#operations.size > MOST_OPERATIONS && oldest !== undefined) this.#operations.delete(oldest);
    void this.#carryOut(operation, body, fault);
    return { kind: 'assigning', operationId, registrationId: id };
  }

  poll(id: string, operationId: string, authorization: string, fault: FaultAction | undefined): DeviceAnswer {
    this.#authorize(id, authorization);
    const operation = this.#operations.get(operationId);
    if (operation === undefined || operation.registrationId !== id) throw refusal('noOperation');
    const { result } = operation;
    if (result === undefined || performance.now() < operation.readyMs) {
      return { kind: 'assigning', operationId, registrationId: id };
    }
    const hub = result.assignedHub === undefined ? undefined : this.options.hubs.get(result.assignedHub);
    const device = result.deviceId === undefined ? undefined : hub?.devices.get(result.deviceId);
    const authenticationKey =
      result.status === 'assigned' && device !== undefined
        ? this.#wrap(
            operation,
            fault?.type === 'wrongKey' ? randomBytes(KEY_BYTES) : Buffer.from(device.primaryKey, 'base64'),
            fault,
          )
        : undefined;
    return { kind: 'done', operationId, registration: result, authenticationKey };
  }

  /** The state of a registration, for a device that proves itself. */
  lookUp(id: string, authorization: string): Registration {
    this.#authorize(id, authorization);
    const registration = this.options.registrations.get(id);
    if (registration === undefined) throw refusal('noRegistration');
    return registration;
  }

  /** What was known of a device is forgotten with its enrollment. */
  forget(id: string): void {
    this.#challenges.forget(id);
    this.#keys.delete(id);
  }

  get #now(): number {
    return this.options.clock.now();
  }

  #checkKeys(id: string, body: RegisterBody): { ek: StorageKey; srk: StorageKey } {
    const enrollment = this.options.enrollments.get(id);
    if (enrollment === undefined) throw refusal('noEnrollment');
    if (body.tpm === undefined) throw refusal('badRequest', 'The request has neither a TPM nor a token.');
    let keys;
    try {
      keys = { ek: parseStorageKey(body.tpm.endorsementKey), srk: parseStorageKey(body.tpm.storageRootKey) };
    } catch (error) {
      if (isTpeError(error, 'EMU_TPM_KEY_INVALID')) throw refusal('endorsementKey');
      throw error;
    }
    if (body.tpm.endorsementKey !== enrollment.body.attestation.tpm.endorsementKey) {
      throw refusal('endorsementKey');
    }
    return keys;
  }

  #authorize(id: string, authorization: string): SasToken {
    const token = parseSas(authorization);
    const wanted = `${this.options.idScope}/registrations/${id}`.toLowerCase();
    if (
      token?.keyName !== 'registration' ||
      audience(token) !== wanted ||
      token.expirySeconds <= this.options.clock.seconds() ||
      !this.#challenges.proves(id, token, this.#now)
    ) {
      throw refusal('unauthorized');
    }
    return token;
  }

  #wrap(keys: { ek: StorageKey; srk: StorageKey }, key: Buffer, fault: FaultAction | undefined): string {
    const ek = fault?.type === 'wrongEk' ? strangerOf(keys.ek) : keys.ek;
    const blob = wrapForTpm(ek, keys.srk, key, `https://${this.options.idScope}`);
    return corruptBlob(blob, fault).toString('base64');
  }

  async #carryOut(operation: Operation, body: RegisterBody, fault: FaultAction | undefined): Promise<void> {
    const { enrollments, registrations, hubs, clock, logger } = this.options;
    const { registrationId } = operation;
    try {
      const enrollment = enrollments.get(registrationId);
      if (enrollment === undefined) throw refusal('noEnrollment');
      const request = { registrationId, payload: body.payload, nowIso: clock.iso() };
      const before = registrations.get(registrationId);
      const result =
        fault?.type === 'result'
          ? forced(fault, request, before)
          : await assign(enrollment, before, hubs, request);
      await registrations.put(registrationId, result);
      operation.result = result;
      const { status, substatus, assignedHub, deviceId } = result;
      logger.info({ registrationId, status, substatus, assignedHub, deviceId }, 'registration finished');
    } catch (error) {
      logger.error({ registrationId, reason: reasonOf(error) }, 'registration failed');
      operation.result = forced(
        { type: 'result', status: 'failed', errorCode: 500001, errorMessage: 'Internal server error.' },
        { registrationId, nowIso: clock.iso() },
        undefined,
      );
    }
  }
}

/** A storage key of nobody, with another key's name: a credential for it opens nowhere. */
function strangerOf(key: StorageKey): StorageKey {
  return { ...key, publicKey: generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey };
}

function forced(
  fault: Extract<FaultAction, { type: 'result' }>,
  request: { registrationId: string; nowIso: string },
  before: Registration | undefined,
): Registration {
  return {
    registrationId: request.registrationId,
    createdDateTimeUtc: before?.createdDateTimeUtc ?? request.nowIso,
    lastUpdatedDateTimeUtc: request.nowIso,
    etag: `"${randomUUID()}"`,
    ...pastOf(before),
    status: fault.status,
    ...(fault.errorCode === undefined ? {} : { errorCode: fault.errorCode }),
    ...(fault.errorMessage === undefined ? {} : { errorMessage: fault.errorMessage }),
  };
}
