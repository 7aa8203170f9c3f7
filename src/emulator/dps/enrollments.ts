import { randomUUID } from 'node:crypto';
import { isTpeError } from '../../common/errors/tpe-error';
import { validate } from '../../common/validate';
import type { ServiceClock } from '../service-clock';
import type { Collection } from '../store/collection';
import { parseStorageKey } from '../tpm/public-area';
import { type Enrollment, EnrollmentBody, type Registration } from './records';
import { refusal } from './refusal';
import type { Registrations } from './registrations';
import { registrationState } from './device-api';

/** Individual enrollments, by registration ID in lower case. */
export class Enrollments {
  constructor(
    private readonly collection: Collection<typeof Enrollment>,
    private readonly states: Collection<typeof Registration>,
    private readonly registrations: Registrations,
    private readonly clock: ServiceClock,
  ) {}

  /** @throws EMU_REFUSED 404 */
  get(id: string): Record<string, unknown> {
    const enrollment = this.collection.get(id.toLowerCase());
    if (enrollment === undefined) throw refusal('noEnrollment');
    return this.#view(enrollment);
  }

  list(): Record<string, unknown>[] {
    return this.collection
      .values()
      .sort((a, b) => (a.body.registrationId < b.body.registrationId ? -1 : 1))
      .map((enrollment) => this.#view(enrollment));
  }

  /**
   * Makes or changes an enrollment.
   * @param ifMatch etag that must be there, `*` for any; without it the enrollment must be new.
   * @throws EMU_REFUSED 400, 409 (it is there, and no etag was given), 412 (another etag)
   */
  async put(id: string, value: unknown, ifMatch: string | undefined): Promise<Record<string, unknown>> {
    const body = this.#check(id, value);
    const key = id.toLowerCase();
    const before = this.collection.get(key);
    if (before !== undefined && ifMatch === undefined)
      throw refusal('conflict', 'The enrollment exists already.');
    if (ifMatch !== undefined) this.#match(before, ifMatch);
    const now = this.clock.iso();
    const enrollment: Enrollment = {
      body,
      etag: `"${randomUUID()}"`,
      createdDateTimeUtc: before?.createdDateTimeUtc ?? now,
      lastUpdatedDateTimeUtc: now,
    };
    if (before !== undefined && ekOf(before) !== ekOf(enrollment)) this.registrations.forget(key);
    await this.collection.put(key, enrollment);
    return this.#view(enrollment);
  }

  /** @throws EMU_REFUSED 404, 412 */
  async delete(id: string, ifMatch: string | undefined): Promise<void> {
    const key = id.toLowerCase();
    const before = this.collection.get(key);
    if (before === undefined) throw refusal('noEnrollment');
    if (ifMatch !== undefined) this.#match(before, ifMatch);
    this.registrations.forget(key);
    await this.collection.delete(key);
    await this.states.delete(key);
  }

  #match(before: Enrollment | undefined, ifMatch: string): void {
    if (before === undefined) throw refusal('noEnrollment');
    const bare = (etag: string): string => etag.replace(/^"|"$/g, '');
    if (ifMatch !== '*' && bare(ifMatch) !== bare(before.etag)) throw refusal('etag');
  }

  #check(id: string, value: unknown): EnrollmentBody {
    const body = keepKnown(validate(EnrollmentBody, value, 'the enrollment'));
    if (body.registrationId.toLowerCase() !== id.toLowerCase()) {
      throw refusal('badRequest', 'The registration ID in the body is another one than in the URL.');
    }
    if (body.allocationPolicy === 'custom' && !body.customAllocationDefinition) {
      throw refusal('badRequest', 'Custom allocation needs a customAllocationDefinition.');
    }
    try {
      parseStorageKey(body.attestation.tpm.endorsementKey);
    } catch (error) {
      if (isTpeError(error, 'EMU_TPM_KEY_INVALID')) throw refusal('endorsementKey', error.message);
      throw error;
    }
    return { ...body, registrationId: body.registrationId.toLowerCase() };
  }

  #view({ body, etag, createdDateTimeUtc, lastUpdatedDateTimeUtc }: Enrollment): Record<string, unknown> {
    const registration = this.states.get(body.registrationId);
    return {
      capabilities: { iotEdge: false },
      provisioningStatus: 'enabled',
      reprovisionPolicy: { updateHubAssignment: true, migrateDeviceData: true },
      ...Object.fromEntries(Object.entries(body).filter(([, value]) => value !== null)),
      ...(registration === undefined ? {} : { registrationState: registrationState(registration) }),
      etag,
      createdDateTimeUtc,
      lastUpdatedDateTimeUtc,
    };
  }
}

const ekOf = (enrollment: Enrollment): string => enrollment.body.attestation.tpm.endorsementKey;

/** Clients send back what they read, with fields that are the service's own. */
function keepKnown(body: EnrollmentBody): EnrollmentBody {
  const known = Object.keys(EnrollmentBody.properties);
  return Object.fromEntries(Object.entries(body).filter(([name]) => known.includes(name))) as EnrollmentBody;
}
