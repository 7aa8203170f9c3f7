/** An address without the zone of a link-local one, and IPv4 as IPv4. */
export function plainAddress(address: string): string {
  return (address.split('%')[0] ?? address).replace(/^::ffff:(?=\d+\.)/, '');
}
