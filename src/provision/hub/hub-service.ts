import { type Static, Type } from '@sinclair/typebox';
import { TpeError, isTpeError, reasonOf } from '../../common/errors/tpe-error';
import { validate } from '../../common/validate';
import { DpsRestTransport } from '../dps/rest-transport';

const API_VERSION = '2021-04-12';

/** What a hub says about a device: its twin as the service API answers it, the parts that are read here. */
export const HubDevice = Type.Object({
  /** `enabled` or `disabled`. */
  status: Type.Optional(Type.String()),
  /** `Connected` or `Disconnected`, up to some minutes late. */
  connectionState: Type.Optional(Type.String()),
  lastActivityTime: Type.Optional(Type.String()),
});
export type HubDevice = Static<typeof HubDevice>;

export interface HubAccess {
  readonly policyName: string;
  /** Base64. */
  readonly policyKey: string;
  /** Dialled in the place of the hubs. */
  readonly dial?: { readonly host: string; readonly port: number };
  /** PEM of the authorities to trust instead of the system's. */
  readonly ca?: string;
}

/** Asks IoT Hubs about devices. Twins are read and not identities: those hold keys, which are nobody's business here. */
export class HubService {
  readonly #access: HubAccess;
  readonly #signal: AbortSignal | undefined;
  readonly #transports = new Map<string, DpsRestTransport>();

  constructor(access: HubAccess, signal?: AbortSignal) {
    this.#access = access;
    this.#signal = signal;
  }

  close(): void {
    for (const transport of this.#transports.values()) transport.close();
  }

  /**
   * What this hub says about a device; `undefined` when it does not know it.
   * @throws PROVISION_DPS_UNAUTHORIZED, PROVISION_DPS_REFUSED, PROVISION_DPS_BUSY, HTTP_*
   */
  async find(hub: string, deviceId: string): Promise<HubDevice | undefined> {
    const path = `/twins/${encodeURIComponent(deviceId)}`;
    try {
      const answer = await this.#transport(hub).request('GET', `${path}?api-version=${API_VERSION}`, {});
      return this.#read(hub, path, answer.text);
    } catch (error) {
      if (isTpeError(error, 'PROVISION_DPS_REFUSED') && error.details['status'] === 404) return undefined;
      throw error;
    }
  }

  #read(service: string, path: string, text: string): HubDevice {
    try {
      return validate(HubDevice, JSON.parse(text), 'the twin');
    } catch (error) {
      const details = { service, status: 200, method: 'GET', path, reason: reasonOf(error) };
      throw new TpeError('PROVISION_DPS_REFUSED', details, { cause: error });
    }
  }

  #transport(hub: string): DpsRestTransport {
    const known = this.#transports.get(hub);
    if (known !== undefined) return known;
    const { dial, ...access } = this.#access;
    const where = dial ?? { host: hub, port: 443 };
    const transport = new DpsRestTransport(
      { ...access, ...where, audience: hub, service: hub },
      this.#signal,
    );
    this.#transports.set(hub, transport);
    return transport;
  }
}
