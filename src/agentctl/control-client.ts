import { createConnection } from 'node:net';
import { ControlAnswer, type ControlVerb, LARGEST_ANSWER_BYTES } from '../agent/system/control-protocol';
import { readLine } from '../agent/system/line-reader';
import { errorDefinition } from '../common/errors/registry';
import { type ErrorCode } from '../common/errors/registry';
import { TpeError, codeOf, reasonOf } from '../common/errors/tpe-error';
import { validate } from '../common/validate';

/** A TPM may take minutes to make its keys in the factory. */
const ANSWER_TIMEOUT_MS = 300_000;

/** Errors of connect(2) that mean that no agent is running. */
const absent = new Set(['ENOENT', 'ECONNREFUSED', 'ENOTSOCK', 'ENOTDIR']);

/**
 * Asks the running agent.
 * @returns its data; `undefined` when no agent listens there.
 * @throws the agent's own error, CONTROL_FORBIDDEN, CONTROL_ANSWER_INVALID
 */
export async function callAgent(
  path: string,
  verb: ControlVerb,
  args: Readonly<Record<string, unknown>> = {},
  timeoutMs = ANSWER_TIMEOUT_MS,
): Promise<{ data: unknown } | undefined> {
  let line: string | undefined;
  try {
    line = await exchange(path, `${JSON.stringify({ verb, args })}\n`, timeoutMs);
  } catch (error) {
    const code = codeOf(error) ?? '';
    if (absent.has(code)) return undefined;
    if (code === 'EACCES') throw new TpeError('CONTROL_FORBIDDEN', { path }, { cause: error });
    throw new TpeError('CONTROL_ANSWER_INVALID', { path, reason: reasonOf(error) }, { cause: error });
  }
  const answer = parseAnswer(path, line);
  if (answer.ok) return { data: answer.data };
  const { code, details, retryable } = answer.error;
  if (errorDefinition(code) === undefined) {
    throw new TpeError('CONTROL_ANSWER_INVALID', { path, reason: `${code}: ${answer.error.message}` });
  }
  throw new TpeError(code as ErrorCode, details, { retryable });
}

function parseAnswer(path: string, line: string | undefined): ControlAnswer {
  if (line === undefined) {
    throw new TpeError('CONTROL_ANSWER_INVALID', { path, reason: 'the connection ended without an answer' });
  }
  try {
    return validate(ControlAnswer, JSON.parse(line), 'the answer');
  } catch (error) {
    throw new TpeError('CONTROL_ANSWER_INVALID', { path, reason: reasonOf(error) }, { cause: error });
  }
}

async function exchange(path: string, request: string, timeoutMs: number): Promise<string | undefined> {
  const socket = createConnection(path);
  try {
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`no answer within ${timeoutMs / 1000} s`)));
    socket.write(request);
    return await readLine(socket, LARGEST_ANSWER_BYTES);
  } finally {
    socket.destroy();
  }
}
