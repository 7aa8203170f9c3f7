import { randomBytes } from 'node:crypto';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';

/** UDP port of the discovery service; Moxa's factory enables it. */
export const DISCOVERY_PORT = 40404;

export const DISCOVERY_VERSION = 1;

/** Probes are padded to this size, so that no answer is larger than what asked for it (no amplification, RFC 8085). */
export const PROBE_BYTES = 1024;

/** A shorter probe is not answered: the answer could be larger than it. */
export const SMALLEST_PROBE_BYTES = 512;

/** Nothing longer is parsed. */
export const LARGEST_DATAGRAM_BYTES = 1472;

/** What the utility sends: JSON in one datagram. */
export const Probe = Type.Object({
  tpe: Type.Literal(DISCOVERY_VERSION),
  type: Type.Literal('probe'),
  /** 16 random bytes in base64; the answer carries them back. */
  nonce: Type.String({ pattern: '^[A-Za-z0-9+/]{22}==$' }),
  /** `broadcast` asks for an answer to 255.255.255.255 on the interface the probe came in on. */
  reply: Type.Optional(Type.Union([Type.Literal('unicast'), Type.Literal('broadcast')])),
  pad: Type.Optional(Type.String()),
});
export type Probe = Static<typeof Probe>;

/** What a gateway answers: JSON in one datagram. */
export const Answer = Type.Object({
  tpe: Type.Literal(DISCOVERY_VERSION),
  type: Type.Literal('answer'),
  nonce: Type.String({ pattern: '^[A-Za-z0-9+/]{22}==$' }),
  /** One for all ports of a gateway; 1–64 characters. */
  deviceId: Type.String({ minLength: 1, maxLength: 64, pattern: '^[\\x21-\\x7e]+$' }),
  serialNumber: Type.String({ minLength: 1, maxLength: 64, pattern: '^[\\x21-\\x7e]+$' }),
  /** Twelve lower-case hexadecimal digits, as in Moxa's tool. */
  mac: Type.String({ pattern: '^[0-9a-f]{12}$' }),
  modelName: Type.String({ minLength: 1, maxLength: 64, pattern: '^[\\x20-\\x7e]+$' }),
  firmwareVersion: Type.String({ maxLength: 64, pattern: '^[\\x20-\\x7e]*$' }),
  /** Address of the interface that the probe came in on. */
  address: Type.String({ minLength: 2, maxLength: 64 }),
  port: Type.Integer({ minimum: 1, maximum: 65535 }),
  apiBase: Type.String({ maxLength: 64, pattern: '^/[\\x21-\\x7e]*$' }),
  /** Base64 SHA-256 of the TLS key's SubjectPublicKeyInfo. Unauthenticated: a hint, not a proof. */
  keySha256: Type.String({ pattern: '^[A-Za-z0-9+/]{43}=$' }),
});
export type Answer = Static<typeof Answer>;

/** A fresh probe, padded to {@link PROBE_BYTES}. */
export function encodeProbe(reply: 'unicast' | 'broadcast' = 'unicast'): { nonce: string; datagram: Buffer } {
  const probe: Probe = {
    tpe: DISCOVERY_VERSION,
    type: 'probe',
    nonce: randomBytes(16).toString('base64'),
    reply,
    pad: '',
  };
  probe.pad = ' '.repeat(PROBE_BYTES - Buffer.byteLength(JSON.stringify(probe)));
  return { nonce: probe.nonce, datagram: Buffer.from(JSON.stringify(probe)) };
}

function decode(datagram: Uint8Array): unknown {
  if (datagram.length > LARGEST_DATAGRAM_BYTES) return undefined;
  try {
    return JSON.parse(Buffer.from(datagram).toString('utf8'));
  } catch {
    // Anybody may send anything to an open port: what is not JSON is not ours, and not worth a log line.
    return undefined;
  }
}

/** The probe in a datagram; `undefined` for anything else (empty, short, huge, not JSON, of another version). */
export function decodeProbe(datagram: Uint8Array): Probe | undefined {
  if (datagram.length < SMALLEST_PROBE_BYTES) return undefined;
  const value = decode(datagram);
  return Value.Check(Probe, value) ? value : undefined;
}

export function encodeAnswer(answer: Answer): Buffer {
  return Buffer.from(JSON.stringify(answer));
}

/** The answer in a datagram; `undefined` for anything else. */
export function decodeAnswer(datagram: Uint8Array): Answer | undefined {
  const value = decode(datagram);
  return Value.Check(Answer, value) ? value : undefined;
}
