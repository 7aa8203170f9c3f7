import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import type { Accounts } from '../../src/agent/accounts/accounts';
import { PasswordHasher } from '../../src/agent/accounts/password-hasher';
import type { ApiTpm } from '../../src/agent/api/dependencies';
import { AzureConfiguration } from '../../src/agent/config/azure-configuration';
import type { DeviceIdentity } from '../../src/agent/device/types';
import { type Management, openManagement } from '../../src/agent/management';
import type { HostControl } from '../../src/agent/services/helper-client';
import { TpeError } from '../../src/common/errors/tpe-error';
import { createLogger } from '../../src/common/logger';
import {
  API_BASE,
  DEFAULT_PASSWORD,
  DEFAULT_USER,
  type ProvisioningStatus,
} from '../../src/protocol/api-types';
import { FakeClock } from './fake-clock';
import { withTempFolder } from './temp';

export const IDENTITY: DeviceIdentity = {
  serialNumber: 'TAICB1046771',
  modelName: 'UC-8100A-ME-T-LX',
  mac: '0090e87946b5',
  firmwareVersion: '1.3.2',
  deviceId: '5f0c5a7a9d2b4f6e8c1d3b5a79e2f401',
};

export const STRONG_PASSWORD = 'Gateway-4711!';

/** As costly as nothing: what is tested is not scrypt. */
export const QUICK_COST = { logN: 4, r: 1, p: 1 } as const;

export const EK_PUBLIC = Buffer.from('AToAAQALAAMA', 'base64');

/** A system without systemd. */
export const NO_HOST: HostControl = { request: () => Promise.reject(new TpeError('HOST_HELPER_ABSENT')) };

const STAND_IN_TPM: ApiTpm = {
  info: () => Promise.resolve({ manufacturer: 'IBM', firmwareVersion: '1.2', specRevision: '1.64' }),
  endorsementKey: () =>
    Promise.resolve({ public: EK_PUBLIC, name: Buffer.alloc(34), template: 'tcg', persistent: false }),
  ekCertificates: () => Promise.resolve([]),
  attestationKey: () => Promise.resolve({ public: EK_PUBLIC, name: Buffer.alloc(34) }),
  activateCredential: () => Promise.reject(new TpeError('TPM_CREDENTIAL_REFUSED', { command: '', hex: '' })),
};

export type Method = 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';

export interface Called {
  readonly status: number;
  readonly body: unknown;
  readonly text: string;
  readonly headers: Record<string, unknown>;
}

export interface TestApiOptions {
  readonly withTpm?: boolean;
  readonly tpm?: ApiTpm;
  readonly ekCaFolder?: string;
  readonly host?: HostControl;
  readonly allow?: string[];
  readonly port?: number;
  readonly hasher?: PasswordHasher;
  readonly logStream?: { write(text: string): unknown };
}

/** The API on a real state folder, with a clock that the test moves; TPM and lifecycle are stand-ins. */
export class TestApi {
  readonly clock = new FakeClock();
  token = '';
  auditFolder = '';
  retries = 0;
  factoryResets = 0;
  status: ProvisioningStatus = {
    state: 'unconfigured',
    since: '2026-01-01T00:00:00.000Z',
    counters: { registrations: 0, connects: 0, tokens: 0 },
  };
  #management: Management | undefined;

  get management(): Management {
    if (this.#management === undefined) throw new Error('not open');
    return this.#management;
  }
  get app(): FastifyInstance {
    return this.management.api;
  }
  get accounts(): Accounts {
    return this.management.accounts;
  }

  async open(folder: string, options: TestApiOptions): Promise<this> {
    const state = join(folder, 'state');
    this.auditFolder = join(folder, 'audit');
    await mkdir(state, { recursive: true });
    const withTpm = options.withTpm ?? true;
    const azure = await AzureConfiguration.open(state, {
      dpsHosts: [],
      hasTpm: () => withTpm,
      defaultRegistrationId: 'taicb1046771',
    });
    this.#management = await openManagement({
      settings: {
        paths: { state, runtime: join(folder, 'run'), audit: join(folder, 'audit') },
        api: {
          address: '127.0.0.1',
          port: options.port ?? 0,
          ...(options.allow === undefined ? {} : { allow: options.allow }),
        },
        discovery: { address: '127.0.0.1', port: 0 },
        ...(options.ekCaFolder === undefined ? {} : { tpm: { ekCaFolder: options.ekCaFolder } }),
      },
      identity: IDENTITY,
      tpm: withTpm ? (options.tpm ?? STAND_IN_TPM) : undefined,
      azure,
      provisioning: { status: () => this.status, retry: () => void (this.retries += 1) },
      onFactoryReset: () => {
        this.factoryResets += 1;
        return Promise.resolve();
      },
      host: options.host ?? NO_HOST,
      hasher: options.hasher ?? new PasswordHasher(QUICK_COST),
      clock: this.clock,
      logger: createLogger('test', options.logStream === undefined ? 'silent' : 'info', options.logStream),
    });
    await this.app.ready();
    return this;
  }

  async call(
    method: Method,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Called> {
    const answer = await this.app.inject({
      method,
      url: `${API_BASE}${path}`,
      headers: { ...(this.token === '' ? {} : { authorization: `Bearer ${this.token}` }), ...headers },
      ...(body === undefined ? {} : { payload: body as object }),
    });
    const text = answer.payload;
    const json = String(answer.headers['content-type']).startsWith('application/json');
    return {
      status: answer.statusCode,
      body: json ? (JSON.parse(text) as unknown) : undefined,
      text,
      headers: answer.headers,
    };
  }

  /** `data` of a successful answer. */
  async data<T>(method: Method, path: string, body?: unknown): Promise<T> {
    const { status, text } = await this.call(method, path, body);
    if (status >= 300) throw new Error(`${method} ${path}: ${status} ${text}`);
    return (JSON.parse(text) as { data: T }).data;
  }

  async login(password = STRONG_PASSWORD, name = DEFAULT_USER): Promise<string> {
    this.token = '';
    this.token = (
      await this.data<{ token: string }>('POST', '/auth', { acceptEULA: true, name, password })
    ).token;
    return this.token;
  }

  /** Past the forced password change, logged in. */
  async takeOver(): Promise<void> {
    await this.login(DEFAULT_PASSWORD);
    await this.data('PUT', '/users/me/password', { newPassword: STRONG_PASSWORD });
    await this.login();
  }

  /** Listens on HTTPS, gives the port. */
  async listen(): Promise<number> {
    await this.management.start();
    return this.management.server.port;
  }

  async close(): Promise<void> {
    await this.management.stop();
  }
}

export async function testApi(folder: string, options: TestApiOptions = {}): Promise<TestApi> {
  return new TestApi().open(folder, options);
}

/** A gateway whose password was changed, for one test. */
export async function withApi(
  run: (api: TestApi) => Promise<void>,
  options: TestApiOptions = {},
): Promise<void> {
  await withTempFolder(async (folder) => {
    const api = await testApi(folder, options);
    try {
      await api.takeOver();
      await run(api);
    } finally {
      await api.close();
    }
  });
}
