import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { type RequestOptions, request as httpsRequest } from 'node:https';
import type { PeerCertificate, TLSSocket } from 'node:tls';
import { createHash, X509Certificate } from 'node:crypto';
import { TpeError, codeOf, reasonOf } from '../errors/tpe-error';
import { serverIdentityProblem } from './server-identity';

/** One HTTPS call. Address literals with a zone id (`fe80::1%eth0`) work, which URL and fetch refuse. */
export interface HttpsCall {
  readonly host: string;
  readonly port: number;
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  /** Path with query, starting with a slash. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as it is; an object is sent as JSON. */
  readonly body?: string | object;
  /** PEM of the certificate authorities to trust instead of the system's. */
  readonly ca?: string;
  /** Base64 SHA-256 of the server's SubjectPublicKeyInfo (RFC 7469); believed instead of any certificate chain. */
  readonly pinnedKey?: string;
  /** Believe any key, once: the answer's `serverKey` says which it was. */
  readonly anyKey?: boolean;
  /** Name for SNI and the certificate check, where it differs from `host`. */
  readonly serverName?: string;
  /** Bound on the whole call, in milliseconds. */
  readonly timeoutMs: number;
  /** Largest answer body that is read, in bytes. */
  readonly maxBodyBytes?: number;
  readonly agent?: RequestOptions['agent'];
  readonly signal?: AbortSignal;
}

export interface HttpsAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly text: string;
  /** Base64 SHA-256 of the server's SubjectPublicKeyInfo. */
  readonly serverKey: string;
}

const DEFAULT_MAX_BODY_BYTES = 1024 * 1024;

/** Base64 SHA-256 of a certificate's SubjectPublicKeyInfo, as in RFC 7469. */
export function spkiSha256(certificate: X509Certificate | PeerCertificate): string {
  const x509 = certificate instanceof X509Certificate ? certificate : new X509Certificate(certificate.raw);
  const spki = x509.publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(spki).digest('base64');
}

const TLS_CODES =
  /^(CERT_|ERR_TLS_|ERR_SSL_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO_|EPROTO|HOSTNAME_MISMATCH|INVALID_CA)/;

function describe(error: unknown, url: string): TpeError {
  if (typeof error === 'object' && error !== null && 'advice' in error) return error as TpeError;
  const code = codeOf(error);
  const tls = code !== undefined && TLS_CODES.test(code);
  return new TpeError(
    tls ? 'HTTP_TLS_REFUSED' : 'HTTP_UNREACHABLE',
    { url, reason: reasonOf(error) },
    { cause: error },
  );
}

/** A connection that is used again no longer tells its certificate. */
const keysSeen = new WeakMap<TLSSocket, string>();

function isTls(socket: Socket): socket is TLSSocket {
  return 'getPeerX509Certificate' in socket;
}

/**
 * Makes one HTTPS call and reads the whole answer.
 * @throws HTTP_UNREACHABLE, HTTP_TLS_REFUSED, HTTP_PIN_MISMATCH, HTTP_TIMEOUT, HTTP_BODY_TOO_LARGE. An HTTP status is
 *   never thrown: the caller knows what it means.
 */
export async function httpsCall(call: HttpsCall): Promise<HttpsAnswer> {
  const host = call.host.includes(':') ? `[${call.host}]` : call.host;
  // Without the query: it may carry what does not belong into a message.
  const url = `https://${host}:${call.port}${call.path.split('?')[0] ?? ''}`;
  const body =
    call.body === undefined
      ? undefined
      : typeof call.body === 'string'
        ? call.body
        : JSON.stringify(call.body);
  const believesChain = call.pinnedKey === undefined && call.anyKey !== true;

  return new Promise<HttpsAnswer>((resolve, reject) => {
    const fail = (error: unknown): void => {
      clearTimeout(timer);
      request.destroy();
      reject(describe(error, url));
    };
    const request = httpsRequest({
      host: call.host,
      port: call.port,
      method: call.method,
      path: call.path,
      headers: {
        ...(typeof call.body === 'object' ? { 'Content-Type': 'application/json' } : {}),
        ...call.headers,
        ...(body === undefined ? {} : { 'Content-Length': String(Buffer.byteLength(body)) }),
      },
      minVersion: 'TLSv1.2',
      rejectUnauthorized: believesChain,
      checkServerIdentity: serverIdentityProblem,
      ...(call.ca === undefined ? {} : { ca: call.ca }),
      ...(call.serverName === undefined ? {} : { servername: call.serverName }),
      ...(call.signal === undefined ? {} : { signal: call.signal }),
      // A pinned call must see the certificate itself, so it may not ride on a connection that somebody else opened.
      agent: call.agent ?? (believesChain ? undefined : false),
    });
    const timer = setTimeout(
      () => fail(new TpeError('HTTP_TIMEOUT', { url, timeoutMs: call.timeoutMs })),
      call.timeoutMs,
    );

    let serverKey = '';
    const checkKey = (socket: TLSSocket): void => {
      const certificate = socket.getPeerX509Certificate();
      serverKey = certificate === undefined ? (keysSeen.get(socket) ?? '') : spkiSha256(certificate);
      keysSeen.set(socket, serverKey);
      if (call.pinnedKey !== undefined && serverKey !== call.pinnedKey) {
        fail(new TpeError('HTTP_PIN_MISMATCH', { url, expected: call.pinnedKey, actual: serverKey }));
        return;
      }
      // Only now: neither token nor body may reach a server whose key was not checked.
      request.end(body);
    };
    request.on('socket', (socket) => {
      if (!isTls(socket)) fail(new Error('the connection is not TLS'));
      // A call that waited for a free connection gets one that is open already, and Node does not call that reused.
      else if (request.reusedSocket || keysSeen.has(socket)) checkKey(socket);
      else socket.once('secureConnect', () => checkKey(socket));
    });
    // Of https-proxy-agent; what follows a refusal is no TLS and would be told as such.
    request.on('proxyConnect', ({ statusCode: proxyStatus }: { statusCode: number }) => {
      if (proxyStatus !== 200) fail(new TpeError('HTTP_PROXY_REFUSED', { url, proxyStatus }));
    });
    request.on('error', fail);
    request.on('response', (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      const limit = call.maxBodyBytes ?? DEFAULT_MAX_BODY_BYTES;
      response.on('data', (chunk: Buffer) => {
        size += chunk.length;
        if (size > limit) fail(new TpeError('HTTP_BODY_TOO_LARGE', { url, limit }));
        else chunks.push(chunk);
      });
      response.on('error', fail);
      response.on('aborted', () =>
        fail(new Error('the server closed the connection in the middle of its answer')),
      );
      response.on('end', () => {
        clearTimeout(timer);
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString('utf8'),
          serverKey,
        });
      });
    });
  });
}
