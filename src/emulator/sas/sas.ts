import { createHmac, timingSafeEqual } from 'node:crypto';

/** A shared access signature as it came in. */
export interface SasToken {
  /** `sr` exactly as received: the signature covers these characters. */
  readonly resource: string;
  readonly signature: Buffer;
  /** `se` exactly as received. */
  readonly expiry: string;
  /** `se`, seconds since 1970. */
  readonly expirySeconds: number;
  readonly keyName: string | undefined;
}

/** Longest token that is looked at; Azure's are under 600 characters. */
const LONGEST_TOKEN = 4096;

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    // Not percent-encoding: then it is no token either.
    return undefined;
  }
}

/** Reads `SharedAccessSignature sr=…&sig=…&se=…[&skn=…]`; `undefined` for anything else. */
export function parseSas(text: string): SasToken | undefined {
  const prefix = 'SharedAccessSignature ';
  if (text.length > LONGEST_TOKEN || !text.startsWith(prefix)) return undefined;
  const fields = new Map<string, string>();
  for (const part of text.slice(prefix.length).split('&')) {
    const equals = part.indexOf('=');
    if (equals < 1) return undefined;
    const name = part.slice(0, equals);
    if (fields.has(name)) return undefined;
    fields.set(name, part.slice(equals + 1));
  }
  const resource = fields.get('sr');
  const signature = decode(fields.get('sig') ?? '');
  const expiry = fields.get('se') ?? '';
  if (resource === undefined || resource === '' || !signature || !/^\d{1,12}$/.test(expiry)) return undefined;
  const keyName = fields.get('skn');
  return {
    resource,
    signature: Buffer.from(signature, 'base64'),
    expiry,
    expirySeconds: Number(expiry),
    keyName: keyName === undefined || keyName === '' ? undefined : decode(keyName),
  };
}

/** True when the signature was made with this key, over `sr` and `se` as received. */
export function signedBy(token: SasToken, key: Uint8Array): boolean {
  const expected = createHmac('sha256', key).update(`${token.resource}\n${token.expiry}`).digest();
  return expected.length === token.signature.length && timingSafeEqual(expected, token.signature);
}

/** The audience, decoded and in lower case: SDKs write it with %2F, %2f or slashes. */
export function audience(token: SasToken): string | undefined {
  return decode(token.resource)?.toLowerCase();
}
