import { type KeyObject, generateKeyPairSync, randomBytes } from 'node:crypto';
import { type Socket, createSocket } from 'node:dgram';
import type { IncomingMessage } from 'node:http';
import { type Server, createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type Answer, decodeProbe, encodeAnswer } from '../../src/protocol/discovery';
import type { LifecycleState } from '../../src/protocol/api-types';
import { possessionProof } from '../../src/protocol/attestation';
import { type StorageKey, attestationPublic, generateStorageKey } from './gateway-simulator-keys';
import { type TlsIdentity, makeTlsIdentity } from './gateway-simulator-tls';
import { activateCredential, fieldsOf, nameOfPublic } from './gateway-simulator-tpm';

export interface SimulatorOptions {
  readonly serialNumber: string;
  readonly mac?: string;
  readonly modelName?: string;
  /** Own address; 127.0.0.1 unless many share a port. */
  readonly address?: string;
  /** 0 for any free one. */
  readonly discoveryPort?: number;
  readonly apiPort?: number;
  readonly ek?: StorageKey;
  readonly tls?: TlsIdentity;
  readonly password?: string;
  readonly mustChange?: boolean;
  /** What the gateway does once provisioning is enabled; by default it is connected at once. */
  readonly onEnable?: (gateway: GatewaySimulator) => void;
  /** Changes an answer on its way out: forged fields, other device ids. */
  readonly forge?: (answer: Answer) => Answer;
  /** Destroys the connection instead of answering this route, e.g. `PATCH /azure-iotedge`. */
  readonly vanishAt?: string;
  /** Milliseconds between the effect of a call and its answer: time to kill the caller in between. */
  readonly slowMs?: number;
  /** Offers `/tpm` and proves possession with this attestation key; `false`: no such routes. */
  readonly attestation?: false | { readonly public?: Buffer; readonly provenWith?: StorageKey };
  readonly ekCertificate?: string;
  /** Difference of the gateway's clock; `undefined`: no such route. */
  readonly clockOffMs?: number;
  /** Serial number told over TLS, where it differs from the one told by discovery. */
  readonly serialOverTls?: string;
}

interface Reply {
  readonly status: number;
  readonly body: unknown;
}

const ok = (data: unknown): Reply => ({ status: 200, body: { data } });
const no = (code: number, message: string): Reply => ({ status: code, body: { error: { code, message } } });

/**
 * A light gateway for scale and for failures that a real one cannot be brought to: real UDP, real HTTPS, a real EK made
 * by node:crypto, ThingsPro Edge's dialect. What the agent itself does is tested against the agent.
 */
export class GatewaySimulator {
  readonly options: SimulatorOptions;
  readonly ek: StorageKey;
  readonly tls: TlsIdentity;
  readonly #udp: Socket;
  readonly #https: Server;
  readonly #tokens = new Set<string>();
  password: string;
  mustChange: boolean;
  state: LifecycleState = 'unconfigured';
  lastError: { code: string; message: string; advice: string; at: string } | undefined;
  assignedHub: string | undefined;
  provisioning = {
    enable: false,
    source: 'manual',
    method: 'tpm',
    globalEndpoint: 'https://global.azure-devices-provisioning.net',
    scopeId: '',
    registrationId: '',
  };
  readonly services = new Map<string, boolean>();
  readonly attestationKey: KeyObject = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey;
  clockOffMs: number | undefined;
  loginTries = 0;
  failedLogins = 0;
  /** `METHOD /path` of every call. */
  readonly calls: string[] = [];

  private constructor(options: SimulatorOptions, ek: StorageKey, tls: TlsIdentity) {
    this.options = options;
    this.ek = ek;
    this.tls = tls;
    this.password = options.password ?? 'admin@123';
    this.mustChange = options.mustChange ?? true;
    this.clockOffMs = options.clockOffMs;
    this.#udp = createSocket({ type: 'udp4', reuseAddr: true });
    this.#https = createServer({ key: tls.key, cert: tls.cert, minVersion: 'TLSv1.2' });
  }

  static async start(options: SimulatorOptions): Promise<GatewaySimulator> {
    const gateway = new GatewaySimulator(
      options,
      options.ek ?? generateStorageKey('ek'),
      options.tls ?? (await makeTlsIdentity(options.serialNumber)),
    );
    await gateway.#listen();
    return gateway;
  }

  get address(): string {
    return this.options.address ?? '127.0.0.1';
  }

  get apiPort(): number {
    return (this.#https.address() as AddressInfo).port;
  }

  get discoveryPort(): number {
    return this.#udp.address().port;
  }

  /** For `--target`. */
  get target(): string {
    return `${this.address}:${this.discoveryPort}`;
  }

  async stop(): Promise<void> {
    this.#https.closeAllConnections();
    await new Promise<void>((resolve) => this.#https.close(() => resolve()));
    await new Promise<void>((resolve) => this.#udp.close(() => resolve()));
  }

  async #listen(): Promise<void> {
    this.#https.on('request', (request, response) => {
      this.#body(request).then(
        (body) => {
          const reply = this.#route(
            `${request.method} ${request.url?.replace('/api/v1', '')}`,
            request,
            body,
          );
          if (reply === undefined) {
            response.destroy();
            return;
          }
          const answer = (): void => {
            response.writeHead(reply.status, { 'Content-Type': 'application/json' });
            response.end(JSON.stringify(reply.body));
          };
          if (this.options.slowMs === undefined) answer();
          else setTimeout(answer, this.options.slowMs);
        },
        () => response.destroy(),
      );
    });
    await new Promise<void>((resolve) =>
      this.#https.listen(this.options.apiPort ?? 0, this.address, 512, () => resolve()),
    );
    this.#udp.on('message', (datagram, source) => this.receive(datagram, source));
    await new Promise<void>((resolve) =>
      this.#udp.bind(this.options.discoveryPort ?? 0, this.address, () => resolve()),
    );
  }

  /** Answers a probe, from the own address. */
  receive(datagram: Buffer, source: { address: string; port: number }): void {
    const probe = decodeProbe(datagram);
    if (probe === undefined) return;
    const answer = this.answer(probe.nonce);
    this.#udp.send(encodeAnswer(this.options.forge?.(answer) ?? answer), source.port, source.address);
  }

  answer(nonce: string): Answer {
    const mac = this.options.mac ?? '0090e8000001';
    return {
      tpe: 1,
      type: 'answer',
      nonce,
      deviceId: `${this.options.serialNumber}-${mac}`,
      serialNumber: this.options.serialNumber,
      mac,
      modelName: this.options.modelName ?? 'UC-8112A-ME-T-LX',
      firmwareVersion: '1.3.2',
      address: this.address,
      port: this.apiPort,
      apiBase: '/api/v1',
      keySha256: this.tls.keySha256,
    };
  }

  async #body(request: IncomingMessage): Promise<Record<string, unknown>> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString('utf8');
    return text === '' ? {} : (JSON.parse(text) as Record<string, unknown>);
  }

  #route(call: string, request: IncomingMessage, body: Record<string, unknown>): Reply | undefined {
    this.calls.push(call);
    if (call === this.options.vanishAt) return undefined;
    if (call === 'POST /auth') return this.#login(body);
    const token = request.headers.authorization?.replace('Bearer ', '') ?? '';
    if (!this.#tokens.has(token)) return no(401, 'invalid token');
    if (call === 'PUT /users/me/password') {
      this.password = String(body['newPassword']);
      this.mustChange = false;
      this.#tokens.clear();
      return ok('ok');
    }
    if (this.options.attestation !== false) {
      if (call === 'GET /tpm') return ok(this.#tpm());
      if (call === 'POST /tpm/attestation') return this.#attest(body);
    }
    if (this.mustChange) return no(403, 'passwordMustChange');
    return this.#afterLogin(call, body);
  }

  #login(body: Record<string, unknown>): Reply {
    this.loginTries += 1;
    if (this.failedLogins >= 10) return no(423, 'the account was banned temporarily');
    if (body['name'] !== 'admin' || body['password'] !== this.password) {
      this.failedLogins += 1;
      return no(401, 'the account or password you entered is not correct');
    }
    this.failedLogins = 0;
    const token = randomBytes(24).toString('base64url');
    this.#tokens.add(token);
    return ok({
      token,
      user: { id: 1, name: 'admin', ...(this.mustChange ? { flag: 'passwordMustChange' } : {}) },
    });
  }

  #afterLogin(call: string, body: Record<string, unknown>): Reply {
    switch (call) {
      case 'GET /device/general':
        return ok({
          serialNumber: this.options.serialOverTls ?? this.options.serialNumber,
          modelName: this.options.modelName ?? 'UC-8112A-ME-T-LX',
          firmwareVersion: '1.3.2',
        });
      case 'GET /azure-iotedge':
        return ok(this.#azure());
      case 'PATCH /azure-iotedge': {
        const before = this.provisioning.enable;
        Object.assign(this.provisioning, body['provisioning']);
        if (this.provisioning.enable && !before) this.#enabled();
        return ok(this.#azure());
      }
      case 'GET /device/time':
        return this.clockOffMs === undefined
          ? no(404, 'not found')
          : ok({ time: new Date(Date.now() + this.clockOffMs).toISOString() });
      case 'PATCH /device/time':
        this.clockOffMs = Date.parse(String(body['time'])) - Date.now();
        return ok({ time: body['time'] });
      case 'GET /provisioning':
        return ok(this.#status());
    }
    const service = /^PUT \/system\/services\/([a-z0-9]+)\/(enable|disable)$/.exec(call);
    if (service === null) return no(404, 'not found');
    this.services.set(String(service[1]), service[2] === 'enable');
    return ok({ enable: service[2] === 'enable' });
  }

  get #attestationPublic(): Buffer {
    const { attestation } = this.options;
    return (
      (attestation === false ? undefined : attestation?.public) ?? attestationPublic(this.attestationKey)
    );
  }

  #tpm(): unknown {
    return {
      endorsementKey: this.ek.public.toString('base64'),
      endorsementKeyCertificate: this.options.ekCertificate ?? null,
      attestationKey: this.#attestationPublic.toString('base64'),
    };
  }

  #attest(body: Record<string, unknown>): Reply {
    const { attestation } = this.options;
    const holder = (attestation === false ? undefined : attestation?.provenWith) ?? this.ek;
    const [idObject] = fieldsOf(Buffer.from(String(body['credentialBlob']), 'base64'));
    const [secret] = fieldsOf(Buffer.from(String(body['secret']), 'base64'));
    try {
      const name = nameOfPublic(this.#attestationPublic);
      const credential = activateCredential(holder.privateKey, name, idObject!, secret!);
      const proof = possessionProof(credential, this.tls.keySha256, this.options.serialNumber);
      return ok({ proof: proof.toString('base64') });
    } catch {
      return no(400, 'the TPM refused the credential');
    }
  }

  #enabled(): void {
    if (this.options.onEnable !== undefined) this.options.onEnable(this);
    else {
      this.state = 'connected';
      this.assignedHub = 'hub.azure-devices.net';
    }
  }

  #azure(): unknown {
    return { provisioning: { ...this.provisioning, endorsementKey: this.ek.public.toString('base64') } };
  }

  #status(): unknown {
    const { registrationId, scopeId } = this.provisioning;
    return {
      state: this.state,
      since: new Date().toISOString(),
      ...(registrationId === '' ? {} : { registrationId, deviceId: registrationId }),
      ...(scopeId === '' ? {} : { idScope: scopeId }),
      ...(this.assignedHub === undefined ? {} : { assignedHub: this.assignedHub }),
      ...(this.lastError === undefined ? {} : { lastError: this.lastError }),
      counters: { registrations: 0, connects: 0, tokens: 0 },
    };
  }
}
