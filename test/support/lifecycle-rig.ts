import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AzureConfiguration } from '../../src/agent/config/azure-configuration';
import { ConnectionStore } from '../../src/agent/connection/connection-store';
import { Lifecycle, type LifecycleOptions } from '../../src/agent/connection/lifecycle';
import type { Tpm } from '../../src/agent/tpm/types';
import { type Clock, systemClock } from '../../src/common/clock';
import { httpsCall } from '../../src/common/http/request';
import { createLogger } from '../../src/common/logger';
import { makeSasToken } from '../../src/common/sas-token';
import type { LifecycleState, ProvisioningStatus } from '../../src/protocol/api-types';
import { createHmac } from 'node:crypto';
import type { TestEmulator } from './emulator';
import { waitFor } from './wait';

/** Calls the emulator's DPS service API as an operator would. */
export async function dpsService(
  emulator: TestEmulator,
  method: 'PUT' | 'GET' | 'DELETE',
  path: string,
  body?: object,
  headers: Record<string, string> = {},
): Promise<{ status: number; body: unknown }> {
  const { policyName, policyKey } = emulator.ready;
  const sign = async (data: Uint8Array): Promise<Buffer> =>
    Promise.resolve(createHmac('sha256', Buffer.from(policyKey, 'base64')).update(data).digest());
  const token = await makeSasToken(
    'localhost',
    Math.floor(emulator.clock.now() / 1000) + 600,
    sign,
    policyName,
  );
  const answer = await httpsCall({
    host: 'localhost',
    port: emulator.servicePort,
    method,
    path: `${path}?api-version=2021-10-01`,
    headers: { Authorization: token, ...headers },
    ...(body === undefined ? {} : { body }),
    ca: emulator.ca,
    timeoutMs: 10_000,
  });
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return { status: answer.status, body: answer.text === '' ? undefined : JSON.parse(answer.text) };
}

export async function unenroll(emulator: TestEmulator, registrationId: string): Promise<void> {
  await dpsService(emulator, 'DELETE', `/enrollments/${registrationId}`);
}

/** Calls the emulator's admin API. */
export async function admin(
  emulator: TestEmulator,
  method: 'GET' | 'POST' | 'PATCH',
  path: string,
  body: object = {},
): Promise<unknown> {
  const token = (await readFile(join(emulator.stateFolder, 'admin-token'), 'utf8')).trim();
  const answer = await httpsCall({
    host: 'localhost',
    port: emulator.servicePort,
    method,
    path: `/admin/v1${path}`,
    headers: { Authorization: `Bearer ${token}` },
    ...(method === 'GET' ? {} : { body }),
    ca: emulator.ca,
    timeoutMs: 10_000,
  });
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.text === '' ? undefined : JSON.parse(answer.text);
}

/** Creates or replaces the enrollment of this TPM. */
export async function enroll(
  emulator: TestEmulator,
  tpm: Tpm,
  registrationId: string,
  extra: object = {},
): Promise<void> {
  await unenroll(emulator, registrationId).catch(() => undefined);
  const ek = await tpm.endorsementKey();
  const attestation = { type: 'tpm', tpm: { endorsementKey: ek.public.toString('base64') } };
  await dpsService(emulator, 'PUT', `/enrollments/${registrationId}`, {
    registrationId,
    attestation,
    provisioningStatus: 'enabled',
    ...extra,
  });
}

export interface RigOptions extends Partial<Omit<LifecycleOptions, 'tpm' | 'azure' | 'state'>> {
  readonly registrationId?: string;
  readonly stateFolder?: string;
  readonly clock?: Clock;
}

/** One agent's connection against an emulator: real parts, without API and discovery. */
export class LifecycleRig {
  readonly states: LifecycleState[] = [];
  /** Codes of the errors that were met, in order. */
  readonly errors: string[] = [];
  readonly log: string[] = [];

  private constructor(
    readonly emulator: TestEmulator,
    readonly tpm: Tpm,
    readonly folder: string,
    readonly azure: AzureConfiguration,
    readonly store: ConnectionStore,
    readonly registrationId: string,
    readonly options: RigOptions,
    private readonly ownsFolder: boolean,
  ) {
    this.lifecycle = this.#make();
  }

  lifecycle: Lifecycle;

  static async open(emulator: TestEmulator, tpm: Tpm, options: RigOptions = {}): Promise<LifecycleRig> {
    const registrationId = options.registrationId ?? 'taicb1046771';
    const folder = options.stateFolder ?? (await mkdtemp(join(tmpdir(), 'tpe-lifecycle-')));
    const azure = await AzureConfiguration.open(folder, {
      dpsHosts: ['localhost', '[::1]'],
      hasTpm: () => true,
      defaultRegistrationId: registrationId,
    });
    const store = await ConnectionStore.open(folder);
    const own = options.stateFolder === undefined;
    return new LifecycleRig(emulator, tpm, folder, azure, store, registrationId, options, own);
  }

  /** The write-back of the provisioning utility. */
  async configure(): Promise<void> {
    await this.azure.patch({
      source: 'dps',
      method: 'tpm',
      globalEndpoint: this.emulator.ready.dps,
      scopeId: this.emulator.ready.idScope,
      registrationId: this.registrationId,
    });
    await this.azure.patch({ enable: true });
  }

  async until(state: LifecycleState, timeoutMs = 20_000): Promise<ProvisioningStatus> {
    return waitFor(
      `state ${state}`,
      () => {
        const status = this.lifecycle.status();
        return status.state === state && status;
      },
      timeoutMs,
    ).catch((error: unknown) => {
      const status = JSON.stringify(this.lifecycle.status());
      throw new Error(`${String(error)}; ${status}\n${this.log.join('')}`, { cause: error });
    });
  }

  /** As a restart of the agent would: everything is read from disk again. */
  async restart(tpm: Tpm = this.tpm, options: RigOptions = {}): Promise<LifecycleRig> {
    await this.lifecycle.stop();
    return LifecycleRig.open(this.emulator, tpm, {
      ...this.options,
      ...options,
      registrationId: this.registrationId,
      stateFolder: this.folder,
    });
  }

  counts(): Record<string, number> {
    return this.emulator.counters.of(this.registrationId);
  }

  async end(): Promise<void> {
    await this.lifecycle.stop();
    if (this.ownsFolder) await rm(this.folder, { recursive: true, force: true });
  }

  #make(): Lifecycle {
    const lifecycle = new Lifecycle({
      clock: systemClock,
      logger: createLogger('agent', 'debug', { write: (line) => this.log.push(line) }),
      builtAtMs: 0,
      random: () => 0,
      ...this.options,
      settings: {
        reprovision: 'dynamic',
        trustedCaFile: this.emulator.ready.ca,
        hubGateway: this.emulator.ready.hub,
        ...this.options.settings,
      },
      tpm: this.tpm,
      azure: this.azure,
      state: this.store,
    });
    lifecycle.on('state', ({ state, lastError }) => {
      if (this.states.at(-1) !== state) this.states.push(state);
      if (lastError !== undefined && this.errors.at(-1) !== lastError.code) this.errors.push(lastError.code);
    });
    return lifecycle;
  }
}
