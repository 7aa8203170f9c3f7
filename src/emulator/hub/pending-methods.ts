import { randomBytes } from 'node:crypto';
import { type Timer, systemClock } from '../../common/clock';
import { TpeError } from '../../common/errors/tpe-error';

export interface MethodAnswer {
  readonly status: number;
  readonly payload: unknown;
}

interface Waiting {
  resolve(answer: MethodAnswer): void;
  reject(error: TpeError): void;
  readonly timer: Timer;
}

/** Direct methods of one connection that wait for their answers. */
export class PendingMethods {
  readonly #waiting = new Map<string, Waiting>();

  constructor(private readonly deviceId: string) {}

  /**
   * @param send gets the request id.
   * @throws EMU_METHOD_TIMEOUT, EMU_DEVICE_NOT_CONNECTED when the connection ends first
   */
  async call(timeoutMs: number, send: (requestId: string) => void): Promise<MethodAnswer> {
    const requestId = randomBytes(8).toString('hex');
    return await new Promise((resolve, reject) => {
      const timer = systemClock.after(timeoutMs, () => {
        this.#waiting.delete(requestId);
        reject(new TpeError('EMU_METHOD_TIMEOUT', { deviceId: this.deviceId, seconds: timeoutMs / 1000 }));
      });
      this.#waiting.set(requestId, { resolve, reject, timer });
      send(requestId);
    });
  }

  /** An answer to a call that nobody waits for any more is nobody's. */
  answered(requestId: string, status: number, body: Buffer): void {
    const waiting = this.#waiting.get(requestId);
    if (waiting === undefined) return;
    this.#waiting.delete(requestId);
    waiting.timer.cancel();
    const text = body.toString('utf8');
    try {
      waiting.resolve({ status, payload: text === '' ? null : (JSON.parse(text) as unknown) });
    } catch {
      // IoT Hub passes on what is not JSON as it is.
      waiting.resolve({ status, payload: text });
    }
  }

  /** The connection ended. */
  end(): void {
    for (const waiting of this.#waiting.values()) {
      waiting.timer.cancel();
      waiting.reject(new TpeError('EMU_DEVICE_NOT_CONNECTED', { deviceId: this.deviceId }));
    }
    this.#waiting.clear();
  }
}
