import { type Gateway, nameOf } from '../device';
import type { Reporter, RunEvent } from './events';

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

function line(event: RunEvent, names: ReadonlyMap<string, Gateway>): string | undefined {
  switch (event.event) {
    case 'discovered': {
      const { gateway } = event;
      const { serialNumber, mac, modelName, firmwareVersion, address, port } = gateway;
      return `found ${serialNumber} at ${address} port ${port} (${mac}, ${modelName}, ${firmwareVersion})`;
    }
    case 'warning':
      return `warning: ${event.message}`;
    case 'step': {
      if (event.status === 'started') return undefined;
      const gateway = names.get(event.deviceId);
      const name = gateway === undefined ? event.serialNumber : nameOf(gateway);
      const detail = event.detail === undefined ? '' : `: ${event.detail}`;
      return `${name} ${event.step}${detail} (${seconds(event.durationMs ?? 0)})`;
    }
    case 'device': {
      const name = nameOf(event.gateway);
      if (event.failure === undefined) {
        const hub = event.assignedHub === undefined ? '' : ` at ${event.assignedHub}`;
        return `${name} done as ${event.registrationId}${hub} (${seconds(event.durationMs)})`;
      }
      const { code, message, advice } = event.failure;
      return `${name} FAILED ${code}: ${message}\n  what to do: ${advice}`;
    }
    case 'summary':
      return `${event.done} of ${event.total} done, ${event.failed} failed, in ${seconds(event.durationMs)}`;
  }
}

/** One line for every completed step and every device, for logs and pipes. */
export function plainReporter(out: { write(text: string): unknown }): Reporter {
  const names = new Map<string, Gateway>();
  return {
    report(event) {
      if (event.event === 'discovered') names.set(event.gateway.deviceId, event.gateway);
      const text = line(event, names);
      if (text !== undefined) out.write(`${text}\n`);
    },
    end: () => undefined,
  };
}
