import { TpeError } from '../common/errors/tpe-error';
import type { FactoryEntry } from './factory-record';
import { groupBy } from './group-by';

/** How messages name a line of a list: `TAICB1046771 (line 12)`. */
export function nameOfEntry({ serialNumber, line }: FactoryEntry): string {
  return `${serialNumber} (line ${line})`;
}

/**
 * Lines of a list that name the same registration ID or endorsement key; by line number. Which of them is right cannot
 * be known, so none of them is enrolled.
 * @param idOf registration ID of a line; `undefined` where it has no valid one.
 */
export function clashesIn(
  entries: readonly FactoryEntry[],
  idOf: (entry: FactoryEntry) => string | undefined,
): Map<number, TpeError> {
  const clashes = new Map<number, TpeError>();
  const pairs = (keyOf: (entry: FactoryEntry) => string | undefined): [FactoryEntry, FactoryEntry][] =>
    [...groupBy(entries, keyOf)].flatMap(([key, same]) =>
      key === undefined
        ? []
        : same.flatMap((entry): [FactoryEntry, FactoryEntry][] => {
            const other = same.find((candidate) => candidate !== entry);
            return other === undefined ? [] : [[entry, other]];
          }),
    );
  for (const [entry, other] of pairs(({ endorsementKey }) => endorsementKey)) {
    const details = { device: nameOfEntry(entry), other: nameOfEntry(other) };
    clashes.set(entry.line, new TpeError('PROVISION_EK_REUSED', details));
  }
  for (const [entry, other] of pairs(idOf)) {
    const details = { registrationId: idOf(entry) ?? '', other: nameOfEntry(other) };
    clashes.set(entry.line, new TpeError('PROVISION_REGISTRATION_ID_SHARED', details));
  }
  return clashes;
}
