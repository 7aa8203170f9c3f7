import { createHmac, randomUUID } from 'node:crypto';
import { type Server, createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TlsIdentity } from './gateway-simulator-tls';

interface Stored {
  readonly registrationId: string;
  etag: string;
  attestation: { type: string; tpm: { endorsementKey: string } };
  [key: string]: unknown;
}

/** The service side of a DPS for tests of refusals and throttling, with real signatures; the flow itself is tested
 * against the emulator. */
export class DpsServiceSimulator {
  readonly policyKey = Buffer.from('a policy key for tests, 32 bytes').toString('base64');
  readonly enrollments = new Map<string, Stored>();
  /** Statuses to answer before anything else, in order, with Retry-After 0. */
  readonly nextStatuses: number[] = [];
  readonly calls: string[] = [];
  readonly #server: Server;

  private constructor(tls: TlsIdentity) {
    this.#server = createServer({ key: tls.key, cert: tls.cert });
  }

  static async start(tls: TlsIdentity): Promise<DpsServiceSimulator> {
    const dps = new DpsServiceSimulator(tls);
    dps.#server.on('request', (request, response) => void dps.#serve(request, response));
    await new Promise<void>((resolve) => dps.#server.listen(0, '127.0.0.1', () => resolve()));
    return dps;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #signed(header: string): boolean {
    const fields = new URLSearchParams(header.replace('SharedAccessSignature ', '').replaceAll('+', '%2B'));
    const resource = /sr=([^&]*)/.exec(header)?.[1] ?? '';
    const expected = createHmac('sha256', Buffer.from(this.policyKey, 'base64'))
      .update(`${resource}\n${fields.get('se')}`)
      .digest('base64');
    return fields.get('sig') === expected && Number(fields.get('se')) * 1000 > Date.now();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body = chunks.length === 0 ? undefined : (JSON.parse(Buffer.concat(chunks).toString()) as Stored);
    const answer = this.#answer(request, body);
    response.writeHead(answer.status, { 'Content-Type': 'application/json', 'Retry-After': '0' });
    response.end(answer.body === undefined ? '' : JSON.stringify(answer.body));
  }

  #bulk(body: Stored | undefined): { status: number; body: unknown } {
    const errors: unknown[] = [];
    for (const wanted of (body?.['enrollments'] ?? []) as Stored[]) {
      const { registrationId } = wanted;
      if (this.enrollments.has(registrationId)) {
        errors.push({ registrationId, errorCode: 409201, errorStatus: 'Already exists' });
      } else this.enrollments.set(registrationId, { ...wanted, etag: `"${randomUUID()}"` });
    }
    return { status: 200, body: { isSuccessful: errors.length === 0, errors } };
  }

  #answer(request: IncomingMessage, body: Stored | undefined): { status: number; body?: unknown } {
    const path = (request.url ?? '').split('?')[0] ?? '';
    this.calls.push(`${request.method} ${path}`);
    const forced = this.nextStatuses.shift();
    if (forced !== undefined) return { status: forced, body: { message: 'told to' } };
    if (!this.#signed(request.headers.authorization ?? '')) {
      return { status: 401, body: { errorCode: 401002, message: 'Unauthorized' } };
    }
    if (request.method === 'POST' && path === '/enrollments') return this.#bulk(body);
    const id = decodeURIComponent(path.replace('/enrollments/', ''));
    const existing = this.enrollments.get(id);
    if (request.method === 'GET') {
      return existing === undefined
        ? { status: 404, body: { message: 'Not found' } }
        : { status: 200, body: existing };
    }
    if (request.method === 'DELETE') {
      this.enrollments.delete(id);
      return { status: existing === undefined ? 404 : 204 };
    }
    if (request.method !== 'PUT' || body === undefined)
      return { status: 405, body: { message: 'Not allowed' } };
    if (existing !== undefined && request.headers['if-match'] !== existing.etag) {
      return { status: 412, body: { message: 'Precondition failed' } };
    }
    const stored: Stored = { provisioningStatus: 'enabled', ...body, etag: `"${randomUUID()}"` };
    this.enrollments.set(id, stored);
    return { status: 200, body: stored };
  }
}
