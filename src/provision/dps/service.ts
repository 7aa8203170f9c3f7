import type { IndividualEnrollment } from 'azure-iot-provisioning-service/dist/interfaces';
import type { ProvisioningServiceClient } from 'azure-iot-provisioning-service';
import { TpeError, isTpeError, toTpeError } from '../../common/errors/tpe-error';
import { validate } from '../../common/validate';
import { BulkAnswer, Enrollment, type EnrollmentRequest, enrollmentBody } from './enrollment';
import { type DpsEndpoint, DpsRestTransport } from './rest-transport';
import { serviceSas } from './sas';

export type EnrollmentOutcome = 'created' | 'updated' | 'unchanged';

/** The service side of DPS, through Microsoft's client on our transport. `close()` it. */
export class DpsService {
  readonly #client: ProvisioningServiceClient;
  readonly #transport: DpsRestTransport;

  private constructor(client: ProvisioningServiceClient, transport: DpsRestTransport) {
    this.#client = client;
    this.#transport = transport;
  }

  /** The SDK is loaded here and not earlier: discovery alone does not need it. */
  static async open(endpoint: DpsEndpoint, signal?: AbortSignal): Promise<DpsService> {
    const { ProvisioningServiceClient: Client } = await import('azure-iot-provisioning-service');
    const transport = new DpsRestTransport(endpoint, signal);
    // The SDK insists on a signature of its own, which our transport replaces by a fresh one at every call.
    const sharedAccessSignature = serviceSas(endpoint.host, endpoint.policyName, endpoint.policyKey, 1);
    const config = { host: endpoint.host, sharedAccessSignature };
    return new DpsService(new Client(config, transport.asSdkTransport()), transport);
  }

  close(): void {
    this.#transport.close();
  }

  get throttled(): number {
    return this.#transport.throttled;
  }

  /** The enrollment, or `undefined` when there is none. */
  async find(registrationId: string): Promise<Enrollment | undefined> {
    try {
      const { responseBody } = await this.#client.getIndividualEnrollment(registrationId);
      return validate(Enrollment, responseBody, 'the enrollment');
    } catch (error) {
      if (isTpeError(error, 'PROVISION_DPS_REFUSED') && error.details['status'] === 404) return undefined;
      throw error;
    }
  }

  /** Removes an enrollment; its device stays in the hub. Returns false when there was none. */
  async remove(registrationId: string): Promise<boolean> {
    try {
      await this.#client.deleteIndividualEnrollment(registrationId);
      return true;
    } catch (error) {
      if (isTpeError(error, 'PROVISION_DPS_REFUSED') && error.details['status'] === 404) return false;
      throw error;
    }
  }

  /**
   * What {@link ensure} would do.
   * @throws PROVISION_ENROLLED_OTHER_EK unless `replace`.
   */
  async plan(request: EnrollmentRequest, replace = false): Promise<EnrollmentOutcome> {
    return (await this.#decide(request, replace)).outcome;
  }

  /**
   * Makes sure that the enrollment is there as asked for. An existing one with this EK is left as it is, unless
   * `replace`: somebody may have changed its twin or hub on purpose.
   * @throws PROVISION_ENROLLED_OTHER_EK unless `replace`.
   */
  async ensure(request: EnrollmentRequest, replace = false): Promise<EnrollmentOutcome> {
    const { outcome, etag } = await this.#decide(request, replace);
    if (outcome === 'unchanged') return outcome;
    const body = enrollmentBody(request, etag) as unknown as IndividualEnrollment;
    await this.#client.createOrUpdateIndividualEnrollment(body);
    return outcome;
  }

  /**
   * Creates up to ten enrollments in one call.
   * @returns the registration IDs that were not created, with DPS's reason.
   */
  async createMany(requests: readonly EnrollmentRequest[]): Promise<Map<string, string>> {
    const enrollments = requests.map((request) => enrollmentBody(request) as unknown as IndividualEnrollment);
    const answer = await new Promise<unknown>((resolve, reject) => {
      // With its promise form this call of the SDK never settles.
      const done = (error: unknown, result?: unknown): void => {
        if (error) reject(toTpeError(error));
        else resolve(result);
      };
      this.#client.runBulkEnrollmentOperation({ mode: 'create', enrollments }, done);
    });
    const { errors } = validate(BulkAnswer, answer, 'the answer to the bulk operation');
    return new Map(
      (errors ?? []).map(({ registrationId, errorStatus }) => [registrationId, errorStatus ?? '']),
    );
  }

  async #decide(
    { registrationId, endorsementKey }: EnrollmentRequest,
    replace: boolean,
  ): Promise<{ outcome: EnrollmentOutcome; etag?: string | undefined }> {
    const existing = await this.find(registrationId);
    if (existing === undefined) return { outcome: 'created' };
    if (replace) return { outcome: 'updated', etag: existing.etag };
    if (existing.attestation.tpm?.endorsementKey !== endorsementKey) {
      throw new TpeError('PROVISION_ENROLLED_OTHER_EK', { registrationId });
    }
    const disabled = existing.provisioningStatus === 'disabled';
    return { outcome: disabled ? 'updated' : 'unchanged', etag: existing.etag };
  }
}
