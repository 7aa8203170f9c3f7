import { TpeError, toTpeError } from '../../common/errors/tpe-error';
import { type Gateway, nameOf } from '../device';
import { GatewayClient } from '../gateway/client';
import { AzureData, GeneralData } from '../gateway/schemas';
import type { DeviceResult, Reporter, Step } from '../report/events';
import { fillDeep, placeholdersOf, registrationIdOf } from '../template';
import { endorsementKeyProblem } from '../tpm/public-area';
import type { EnrollmentOptions } from '../dps/enrollment';
import { enableProvisioning, setServices, writeBack } from './configure';
import type { Job } from './job';
import { changeInitialPassword, login } from './login';
import { watchUntilConnected } from './watch';

/** Takes one gateway through the flow. Never rejects: the result says what went wrong. */
export class DeviceFlow {
  readonly #job: Job;
  readonly #gateway: Gateway;
  readonly #reporter: Reporter;
  readonly #signal: AbortSignal | undefined;
  #registrationId = '';
  #endorsementKey = '';
  #lastStep: Step | undefined;
  #assignedHub: string | undefined;

  constructor(job: Job, gateway: Gateway, reporter: Reporter, signal?: AbortSignal) {
    this.#job = job;
    this.#gateway = gateway;
    this.#reporter = reporter;
    this.#signal = signal;
  }

  async run(): Promise<DeviceResult> {
    const started = performance.now();
    let failure: DeviceResult['failure'];
    try {
      await this.#steps();
    } catch (error) {
      const { code, message, advice, retryable } = toTpeError(error);
      failure = { code, message, advice, retryable };
    }
    const result: DeviceResult = {
      gateway: this.#gateway,
      registrationId: this.#registrationId,
      endorsementKey: this.#endorsementKey,
      result: failure === undefined ? 'done' : 'failed',
      lastStep: this.#lastStep,
      durationMs: Math.round(performance.now() - started),
      ...(this.#assignedHub === undefined ? {} : { assignedHub: this.#assignedHub }),
      ...(failure === undefined ? {} : { failure }),
    };
    this.#reporter.report({ event: 'device', ...result });
    return result;
  }

  async #steps(): Promise<void> {
    const job = this.#job;
    this.#registrationId = registrationIdOf(this.#gateway, job.registrationIdTemplate);
    if (!job.trustOnFirstUse) {
      throw new TpeError('PROVISION_KEY_UNTRUSTED', {
        device: nameOf(this.#gateway),
        key: this.#gateway.keySha256,
      });
    }
    const client = new GatewayClient({
      gateway: this.#gateway,
      pinnedKey: this.#gateway.keySha256,
      ...(this.#signal === undefined ? {} : { signal: this.#signal }),
    });
    try {
      await this.#onGateway(client);
    } finally {
      client.close();
    }
  }

  async #onGateway(client: GatewayClient): Promise<void> {
    const job = this.#job;
    const registrationId = this.#registrationId;
    let current = { password: job.password, mustChange: false };
    await this.#step('login', async () => {
      current = await login(client, job);
    });
    await this.#step('password', async () =>
      (await changeInitialPassword(client, job, current)) ? 'changed' : 'kept',
    );
    await this.#step('identity', () => this.#checkIdentity(client));
    await this.#step('endorsementKey', () => this.#readEndorsementKey(client));
    await this.#step('enrollment', () =>
      job.dps.ensure(
        { registrationId, endorsementKey: this.#endorsementKey, options: this.#enrollmentOptions() },
        job.replace,
      ),
    );
    await this.#step('writeBack', () =>
      writeBack(client, { globalEndpoint: job.globalEndpoint, idScope: job.idScope, registrationId }),
    );
    await this.#step('services', async () => `${await setServices(client, job.services)} set`);
    await this.#step('enable', () => enableProvisioning(client));
    await this.#step('connect', async () => {
      const status = await watchUntilConnected(client, registrationId, {
        timeoutMs: job.connectTimeoutMs,
        relogin: async () => {
          await login(client, { ...job, password: job.newPassword ?? job.password });
        },
        ...(this.#signal === undefined ? {} : { signal: this.#signal }),
      });
      this.#assignedHub = status.assignedHub;
      return status.assignedHub;
    });
  }

  async #step(step: Step, run: () => Promise<unknown>): Promise<void> {
    const { deviceId, serialNumber } = this.#gateway;
    const started = performance.now();
    this.#reporter.report({ event: 'step', deviceId, serialNumber, step, status: 'started' });
    const detail = await run();
    this.#lastStep = step;
    this.#reporter.report({
      event: 'step',
      deviceId,
      serialNumber,
      step,
      status: 'done',
      durationMs: Math.round(performance.now() - started),
      ...(typeof detail === 'string' ? { detail } : {}),
    });
  }

  /** Discovery can be forged; what the gateway says over its pinned connection counts. */
  async #checkIdentity(client: GatewayClient): Promise<void> {
    const { serialNumber } = await client.read(GeneralData, 'GET', '/device/general');
    if (serialNumber !== this.#gateway.serialNumber) {
      throw new TpeError('PROVISION_SERIAL_MISMATCH', {
        device: nameOf(this.#gateway),
        actual: serialNumber,
      });
    }
  }

  async #readEndorsementKey(client: GatewayClient): Promise<void> {
    const { provisioning } = await client.read(AzureData, 'GET', '/azure-iotedge');
    const key = provisioning.endorsementKey ?? '';
    if (key === '') throw new TpeError('PROVISION_NO_EK', { device: nameOf(this.#gateway) });
    const reason = endorsementKeyProblem(key);
    if (reason !== undefined) {
      throw new TpeError('PROVISION_EK_INVALID', { device: nameOf(this.#gateway), reason });
    }
    this.#endorsementKey = key;
  }

  #enrollmentOptions(): EnrollmentOptions {
    return fillDeep(this.#job.enrollment, placeholdersOf(this.#gateway)) as EnrollmentOptions;
  }
}
