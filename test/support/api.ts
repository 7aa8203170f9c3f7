import { join } from 'node:path';
import { mkdir } from 'node:fs/promises';
import type { FastifyInstance } from 'fastify';
import { Accounts } from '../../src/agent/accounts/accounts';
import { PasswordHasher } from '../../src/agent/accounts/password-hasher';
import { buildApi } from '../../src/agent/api/build-api';
import type { ApiDependencies, ApiOptions } from '../../src/agent/api/dependencies';
import { AzureConfiguration } from '../../src/agent/config/azure-configuration';
import { listInterfaces } from '../../src/agent/device/interfaces';
import type { DeviceIdentity } from '../../src/agent/device/types';
import { Discovery } from '../../src/agent/discovery/discovery';
import { DiscoveryResponder } from '../../src/agent/discovery/responder';
import { ServiceCatalogue } from '../../src/agent/services/catalogue';
import { createLogger } from '../../src/common/logger';
import {
  API_BASE,
  DEFAULT_PASSWORD,
  DEFAULT_USER,
  type ProvisioningStatus,
} from '../../src/protocol/api-types';
import { FakeClock } from './fake-clock';

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

const EK_PUBLIC = Buffer.from('AToAAQALAAMA', 'base64');

export interface TestApi {
  readonly app: FastifyInstance;
  readonly clock: FakeClock;
  readonly dependencies: ApiDependencies;
  readonly accounts: Accounts;
  retries: number;
  token: string;
  call(
    method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE',
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<{ status: number; body: unknown; text: string; headers: Record<string, unknown> }>;
  login(password?: string, name?: string): Promise<string>;
  /** Past the forced password change, logged in. */
  takeOver(): Promise<void>;
  close(): Promise<void>;
}

export interface TestApiOptions extends ApiOptions {
  readonly withTpm?: boolean;
  readonly overrides?: Partial<ApiDependencies>;
  readonly logStream?: { write(text: string): unknown };
}

/** The API on a real state folder, with a clock that the test moves; TPM and lifecycle are stand-ins. */
export async function testApi(folder: string, options: TestApiOptions = {}): Promise<TestApi> {
  const clock = new FakeClock();
  const stateFolder = join(folder, 'state');
  await mkdir(stateFolder, { recursive: true });
  const logger = createLogger('test', options.logStream === undefined ? 'silent' : 'info', options.logStream);
  const withTpm = options.withTpm ?? true;
  const accounts = await Accounts.open({ stateFolder, clock, hasher: new PasswordHasher(QUICK_COST) });
  const azure = await AzureConfiguration.open(stateFolder, {
    dpsHosts: [],
    hasTpm: () => withTpm,
    defaultRegistrationId: 'taicb1046771',
  });
  const responder = new DiscoveryResponder({
    identity: IDENTITY,
    port: 0,
    address: '127.0.0.1',
    endpoint: () => ({ port: 8443, keySha256: `${'A'.repeat(43)}=` }),
    interfaces: listInterfaces,
    clock,
    logger,
  });
  const discovery = await Discovery.open({ stateFolder, responder, clock, logger });
  const services = await ServiceCatalogue.open({ stateFolder, inner: {} });
  const status: ProvisioningStatus = {
    state: 'unconfigured',
    since: '2026-01-01T00:00:00.000Z',
    counters: { registrations: 0, connects: 0, tokens: 0 },
  };
  const test = { retries: 0 };
  const dependencies: ApiDependencies = {
    identity: IDENTITY,
    accounts,
    tpm: withTpm
      ? {
          endorsementKey: () =>
            Promise.resolve({
              public: EK_PUBLIC,
              name: Buffer.alloc(34),
              template: 'tcg',
              persistent: false,
            }),
        }
      : undefined,
    azure,
    provisioning: {
      status: () => status,
      retry: () => void (test.retries += 1),
      reprovision: () => undefined,
    },
    discovery,
    services,
    clock,
    logger,
    ...options.overrides,
  };
  const app = buildApi(dependencies, options);
  await app.ready();
  const api: TestApi = {
    app,
    clock,
    dependencies,
    accounts,
    token: '',
    get retries() {
      return test.retries;
    },
    async call(method, path, body, headers = {}) {
      const answer = await app.inject({
        method,
        url: `${API_BASE}${path}`,
        headers: { ...(api.token === '' ? {} : { authorization: `Bearer ${api.token}` }), ...headers },
        ...(body === undefined ? {} : { payload: body as object }),
      });
      const text = answer.payload;
      return {
        status: answer.statusCode,
        body: text === '' ? undefined : (JSON.parse(text) as unknown),
        text,
        headers: answer.headers,
      };
    },
    async login(password = STRONG_PASSWORD, name = DEFAULT_USER) {
      api.token = '';
      const { status: code, text } = await api.call('POST', '/auth', { acceptEULA: true, name, password });
      if (code !== 200) throw new Error(`login: ${code} ${text}`);
      api.token = (JSON.parse(text) as { data: { token: string } }).data.token;
      return api.token;
    },
    async takeOver() {
      await api.login(DEFAULT_PASSWORD);
      await api.call('PUT', '/users/me/password', { newPassword: STRONG_PASSWORD });
      await api.login();
    },
    async close() {
      await app.close();
      await discovery.stop();
    },
  };
  return api;
}
