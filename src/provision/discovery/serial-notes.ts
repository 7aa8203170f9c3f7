import type { Gateway } from '../device';
import { groupBy } from '../group-by';

/** What units say whose serial number nobody has set: Moxa's `IMOXA1234567`, all zeros, a keyboard's row. */
const PLACEHOLDER = /^(?:[a-z]{0,5}(?:0{4,}|1234567\d*|x{4,})|none|unknown|default|n\/a)$/i;

export function isPlaceholderSerial(serialNumber: string): boolean {
  return PLACEHOLDER.test(serialNumber);
}

/** Sentences about serial numbers that do not tell one gateway from another; the MAC does. */
export function serialNotes(gateways: readonly Gateway[]): string[] {
  const notes: string[] = [];
  for (const [serialNumber, same] of groupBy(gateways, (gateway) => gateway.serialNumber)) {
    const macs = [...new Set(same.map(({ mac }) => mac))];
    const shown = macs.slice(0, 8).join(', ') + (macs.length > 8 ? ', …' : '');
    if (macs.length > 1) {
      notes.push(
        `serial number ${serialNumber} is told by ${macs.length} gateways (MAC ${shown}): tell them apart with --registration-id "{serial}-{mac}"`,
      );
    } else if (isPlaceholderSerial(serialNumber)) {
      notes.push(
        `serial number ${serialNumber} (MAC ${shown}) is a placeholder that other units carry, too: use --registration-id "{serial}-{mac}"`,
      );
    }
  }
  return notes;
}
