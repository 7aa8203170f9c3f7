/** Longest wait that a server may ask for, in milliseconds; a longer one is a mistake and would look like a hang. */
const LONGEST_RETRY_AFTER_MS = 60 * 60 * 1000;

/** Milliseconds since 1970 of an HTTP date (RFC 9110, 5.6.7); `undefined` when the text is none. */
export function parseHttpDate(text: string | undefined): number | undefined {
  if (text === undefined || !/^[A-Z][a-z]{2,8},? /.test(text)) return undefined;
  // The oldest of the three forms names no zone and means GMT, not the zone that this gateway is set to.
  const time = Date.parse(/ GMT$/.test(text) ? text : `${text} GMT`);
  return Number.isNaN(time) ? undefined : time;
}

/**
 * Milliseconds that a Retry-After header asks for, 0 to one hour; both forms of RFC 9110, 10.2.3.
 * A date is compared with the server's own Date header where there is one, because our clock may be wrong.
 * @returns `undefined` when the header is absent or garbage.
 */
export function retryAfterMs(
  headers: { readonly 'retry-after'?: string | undefined; readonly date?: string | undefined },
  nowMs: number,
): number | undefined {
  const text = headers['retry-after']?.trim();
  if (text === undefined) return undefined;
  if (/^\d+$/.test(text)) return Math.min(Number(text) * 1000, LONGEST_RETRY_AFTER_MS);
  const until = parseHttpDate(text);
  if (until === undefined) return undefined;
  return Math.min(Math.max(0, until - (parseHttpDate(headers.date) ?? nowMs)), LONGEST_RETRY_AFTER_MS);
}
