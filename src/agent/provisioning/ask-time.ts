import { parseHttpDate } from '../../common/http/http-dates';
import { type HttpsCall, httpsCall } from '../../common/http/request';
import { TpeError } from '../../common/errors/tpe-error';

const TIMEOUT_MS = 10_000;

/**
 * The time of a DPS host, milliseconds since 1970, from the Date header of any answer; the certificate is verified.
 * @throws HTTP_*, DPS_ANSWER_INVALID when it tells no date.
 */
export async function askTime(
  target: Pick<HttpsCall, 'host' | 'port' | 'ca' | 'agent' | 'signal'>,
): Promise<number> {
  const answer = await httpsCall({ ...target, method: 'GET', path: '/', timeoutMs: TIMEOUT_MS });
  const time = parseHttpDate(answer.headers.date);
  if (time === undefined) {
    throw new TpeError('DPS_ANSWER_INVALID', { host: target.host, reason: 'it has no Date header' });
  }
  return time;
}
