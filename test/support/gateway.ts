import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type HttpsAnswer, httpsCall } from '../../src/common/http/request';
import { DEFAULT_PASSWORD, DEFAULT_USER, type ProvisioningStatus } from '../../src/protocol/api-types';
import { type Place, Program } from './process';
import { waitFor } from './wait';

export interface GatewayOptions {
  /** Folder for settings and state. */
  readonly folder: string;
  readonly tcti: string;
  readonly serialNumber?: string;
  readonly macAddress?: string;
  /** Of the emulator: its CA file and hub address. */
  readonly ca?: string;
  readonly hubGateway?: string;
  /** More lines for the settings file, complete sections. */
  readonly more?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Runs it in a network namespace, on every interface and the usual ports instead of free ones of 127.0.0.1. */
  readonly inside?: readonly string[];
  /** Runs it as another user, from copies that this user may read. */
  readonly as?: { readonly command: readonly string[]; readonly place: Place };
}

export const NEW_PASSWORD = 'Gateway-4711!';

/** A tpe-agent process on free ports, and a REST client for it. */
export class Gateway {
  readonly options: GatewayOptions;
  readonly config: string;
  process: Program | undefined;
  apiPort = 0;
  discoveryPort = 0;
  token = '';

  constructor(options: GatewayOptions) {
    this.options = options;
    this.config = join(options.folder, 'config.toml');
  }

  get stateFolder(): string {
    return join(this.options.folder, 'state');
  }

  /** Starts the agent and waits until it says that it is ready. */
  async start(): Promise<void> {
    const { folder, tcti, serialNumber, macAddress, ca, hubGateway, more, env, inside, as } = this.options;
    const listen = inside === undefined ? 'address = "127.0.0.1"\nport = 0' : '';
    const quoted = JSON.stringify;
    const azure = [
      ...(ca === undefined ? [] : [`trustedCaFile = ${quoted(ca)}`]),
      ...(hubGateway === undefined ? [] : [`hubGateway = ${quoted(hubGateway)}`]),
    ];
    await writeFile(
      this.config,
      `[paths]
state = ${quoted(join(folder, 'state'))}
[device]
serialNumber = ${quoted(serialNumber ?? 'TAICB1046771')}
modelName = "UC-8100A-ME-T-LX"
macAddress = ${quoted(macAddress ?? '0090e87946b5')}
firmwareVersion = "1.3.2"
[tpm]
tcti = ${quoted(tcti)}
[discovery]
${listen}
[api]
${listen}
[azure]
dpsHosts = ["localhost"]
${azure.join('\n')}
${more ?? ''}
`,
    );
    this.process = new Program('tpe-agent', ['--config', this.config], env, inside ?? as?.command, as?.place);
    const ready = await this.process.line((line) => line['event'] === 'ready', 'ready');
    this.apiPort = Number(ready['apiPort']);
    this.discoveryPort = Number(ready['discoveryPort']);
  }

  /** Ends the agent in the ordinary way and gives its exit code. */
  async stop(): Promise<number | null> {
    return (await this.process?.stop()) ?? null;
  }

  async call(method: 'GET' | 'PUT' | 'POST' | 'PATCH', path: string, body?: object): Promise<HttpsAnswer> {
    return await httpsCall({
      host: '127.0.0.1',
      port: this.apiPort,
      method,
      path: `/api/v1${path}`,
      anyKey: true,
      timeoutMs: 30_000,
      headers: this.token === '' ? {} : { Authorization: `Bearer ${this.token}` },
      ...(body === undefined ? {} : { body }),
    });
  }

  /** `data` of a 2xx answer; fails with the answer's text otherwise. */
  async data<T = Record<string, unknown>>(
    method: 'GET' | 'PUT' | 'POST' | 'PATCH',
    path: string,
    body?: object,
  ): Promise<T> {
    const { status, text } = await this.call(method, path, body);
    if (status < 200 || status > 299) throw new Error(`${method} ${path}: ${status} ${text}`);
    return (JSON.parse(text) as { data: T }).data;
  }

  async login(password: string = NEW_PASSWORD): Promise<void> {
    this.token = '';
    const body = { acceptEULA: true, name: DEFAULT_USER, password };
    this.token = (await this.data<{ token: string }>('POST', '/auth', body)).token;
  }

  /** First login with the default password, which has to change. */
  async takeOver(): Promise<void> {
    await this.login(DEFAULT_PASSWORD);
    await this.data('PUT', '/users/me/password', { newPassword: NEW_PASSWORD });
    await this.login();
  }

  async provisioning(): Promise<ProvisioningStatus> {
    return await this.data<ProvisioningStatus>('GET', '/provisioning');
  }

  async untilState(state: ProvisioningStatus['state'], timeoutMs = 60_000): Promise<ProvisioningStatus> {
    let last: ProvisioningStatus | undefined;
    try {
      return await waitFor(
        `state ${state}`,
        async () => {
          last = await this.provisioning();
          return last.state === state ? last : undefined;
        },
        timeoutMs,
      );
    } catch (error) {
      throw new Error(`never ${state}: ${JSON.stringify(last)}\n${this.process?.stdout ?? ''}`, {
        cause: error,
      });
    }
  }
}
