import { connect } from 'node:net';
import { TpeError, codeOf, reasonOf } from '../../common/errors/tpe-error';
import { validate } from '../../common/validate';
import {
  type AnswerOf,
  HELPER_SOCKET,
  HelperAnswers,
  HelperReply,
  type HelperVerb,
  LARGEST_LINE_BYTES,
  type RequestOf,
} from './helper-protocol';

/** What the agent needs root for. */
export interface HostControl {
  /**
   * @param timeoutMs how long the answer is waited for; the helper carries the request out all the same.
   * @throws HOST_HELPER_ABSENT where no helper is installed (no systemd), HOST_REFUSED when it cannot do it,
   *   HOST_HELPER_FAILED when it answers nothing that makes sense.
   */
  request<V extends HelperVerb>(request: RequestOf<V>, timeoutMs?: number): Promise<AnswerOf<V>>;
}

const TIMEOUT_MS = 60_000;

/** Calls the root helper: one connection, one line each way. */
export class HelperClient implements HostControl {
  readonly #path: string;

  constructor(path = HELPER_SOCKET) {
    this.#path = path;
  }

  async request<V extends HelperVerb>(request: RequestOf<V>, timeoutMs = TIMEOUT_MS): Promise<AnswerOf<V>> {
    const line = await this.#exchange(`${JSON.stringify(request)}\n`, timeoutMs);
    let reply: HelperReply;
    try {
      reply = validate(HelperReply, JSON.parse(line), 'the answer of the root helper');
    } catch (error) {
      throw new TpeError('HOST_HELPER_FAILED', { reason: reasonOf(error) }, { cause: error });
    }
    if (!reply.ok) throw new TpeError('HOST_REFUSED', { reason: reply.reason, reasonCode: reply.code });
    return validate(HelperAnswers[request.verb], reply.value, 'the answer of the root helper');
  }

  async #exchange(line: string, timeoutMs: number): Promise<string> {
    return new Promise((resolve, reject) => {
      let text = '';
      const socket = connect(this.#path);
      const timer = setTimeout(() => fail(new Error('no answer in time')), timeoutMs);
      const fail = (error: unknown): void => {
        clearTimeout(timer);
        socket.destroy();
        const absent = ['ENOENT', 'ECONNREFUSED'].includes(codeOf(error) ?? '');
        reject(
          absent
            ? new TpeError('HOST_HELPER_ABSENT', {}, { cause: error })
            : new TpeError('HOST_HELPER_FAILED', { reason: reasonOf(error) }, { cause: error }),
        );
      };
      socket.setEncoding('utf8');
      socket.once('connect', () => socket.write(line));
      socket.on('data', (chunk: string) => {
        text += chunk;
        if (text.length > LARGEST_LINE_BYTES) fail(new Error('the answer is too long'));
      });
      socket.once('error', fail);
      socket.once('end', () => {
        clearTimeout(timer);
        socket.destroy();
        resolve(text);
      });
    });
  }
}
