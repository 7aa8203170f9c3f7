import { type Static, Type } from '@sinclair/typebox';
import { isTpeError, toTpeError } from '../../common/errors/tpe-error';
import type { Clock } from '../../common/clock';
import { validate } from '../../common/validate';
import type { MethodHandler, MethodHandlers } from './hub-connection';

/** A call of the REST API that comes from the cloud; `path` is relative to the API base. */
export interface ApiCall {
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly body?: unknown;
}

/** Calls the REST API with the permissions that its maker gave it. */
export type CallApi = (call: ApiCall) => Promise<{ status: number; payload: unknown }>;

/** ThingsPro Edge's request of `thingspro-api-v1`. */
const ApiMethodRequest = Type.Object({
  path: Type.String({ pattern: '^/[A-Za-z0-9/_.~%?&=+,:@-]{0,511}$' }),
  method: Type.Union(
    ['GET', 'PUT', 'POST', 'PATCH', 'DELETE', 'get', 'put', 'post', 'patch', 'delete'].map((name) =>
      Type.Literal(name),
    ),
  ),
  /** Taken and left alone: nothing of a header may change whose permissions count. */
  headers: Type.Optional(Type.Unknown()),
  /** JSON, or JSON text. */
  requestBody: Type.Optional(Type.Unknown()),
});

/** IoT Hub takes a method answer of up to 128 KiB. */
const LARGEST_ANSWER_BYTES = 120 * 1024;

function refusal(status: number, message: string): { status: number; payload: unknown } {
  return { status, payload: { error: { code: status, message } } };
}

function bodyOf({ requestBody }: Static<typeof ApiMethodRequest>): unknown {
  return typeof requestBody === 'string' ? (JSON.parse(requestBody) as unknown) : requestBody;
}

/** `thingspro-api-v1`: the REST API through IoT Hub. */
export function apiMethod(callApi: CallApi): MethodHandler {
  return async (payload) => {
    let call: ApiCall;
    try {
      const request = validate(ApiMethodRequest, payload, 'the payload');
      const body = bodyOf(request);
      const method = request.method.toUpperCase() as ApiCall['method'];
      call = { method, path: request.path, ...(body === undefined ? {} : { body }) };
    } catch (error) {
      const known = toTpeError(error);
      return refusal(400, isTpeError(known, 'VALUE_INVALID') ? known.message : 'requestBody is not JSON');
    }
    const answer = await callApi(call);
    const size = Buffer.byteLength(JSON.stringify(answer.payload ?? null));
    return size > LARGEST_ANSWER_BYTES
      ? refusal(413, `the answer of ${size} bytes does not fit into a direct method`)
      : { status: answer.status, payload: answer.payload ?? {} };
  };
}

/** Time for the answer to leave before the connection that carries it is ended. */
const ANSWER_FIRST_MS = 1000;

/** The methods that every gateway answers. */
export function builtInMethods(
  clock: Clock,
  reprovision: () => void,
  describe: () => object,
): MethodHandlers {
  const startedAt = clock.monotonic();
  return {
    ping: async () =>
      Promise.resolve({
        status: 200,
        payload: {
          time: new Date(clock.now()).toISOString(),
          uptimeSec: Math.round((clock.monotonic() - startedAt) / 1000),
          ...describe(),
        },
      }),
    reprovision: async () => {
      clock.after(ANSWER_FIRST_MS, reprovision);
      return Promise.resolve({ status: 202, payload: { accepted: true } });
    },
  };
}
