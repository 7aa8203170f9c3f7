import type { Gateway } from '../device';
import { groupBy } from '../group-by';
import type { FactoryEntry } from '../factory-record';

/** Finds what the factory wrote down about a gateway. */
export class FactoryIndex {
  readonly #bySerial: Map<string, FactoryEntry[]>;

  constructor(entries: readonly FactoryEntry[] = []) {
    this.#bySerial = groupBy(entries, (entry) => entry.serialNumber);
  }

  /** By serial number; the MAC decides where several units carry the same one, and must fit where it is recorded. */
  entryFor(gateway: Pick<Gateway, 'serialNumber' | 'mac'>): FactoryEntry | undefined {
    return this.#bySerial
      .get(gateway.serialNumber)
      ?.find((entry) => entry.mac === undefined || entry.mac === gateway.mac);
  }

  /** True when the factory knows the serial number, and not with this MAC: a forged answer, or a changed board. */
  contradicts(gateway: Pick<Gateway, 'serialNumber' | 'mac'>): boolean {
    return this.#bySerial.has(gateway.serialNumber) && this.entryFor(gateway) === undefined;
  }
}
