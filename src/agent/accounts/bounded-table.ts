/** Addresses and names come from the outside: a table of them forgets the oldest instead of growing. */
const LARGEST_TABLE = 1024;

export function remember<V>(table: Map<string, V>, key: string, value: V): void {
  // Map keeps insertion order: what is used goes last, so that the first is the one to forget.
  table.delete(key);
  table.set(key, value);
  const [oldest] = table.keys();
  if (table.size > LARGEST_TABLE && oldest !== undefined) table.delete(oldest);
}
