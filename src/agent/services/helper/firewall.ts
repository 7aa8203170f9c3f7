/** Ports to close, e.g. `tcp/22`. */
export type Port = string;

/** A table of our own: rules of others are never read, changed or flushed. */
const TABLE = 'inet tpe_agent';

/** Before the filters of others, and deciding nothing but its own drops. */
const PRIORITY = -10;

/**
 * The nftables script that makes the table hold exactly these drops. One transaction: there is no moment in between
 * without the rules.
 */
export function firewallScript(ports: readonly Port[]): string {
  const of = (protocol: string): string =>
    [...new Set(ports.filter((port) => port.startsWith(`${protocol}/`)).map((port) => port.slice(4)))]
      .sort((a, b) => Number(a) - Number(b))
      .join(', ');
  const rules = ['tcp', 'udp']
    .map((protocol) => ({ protocol, numbers: of(protocol) }))
    .filter(({ numbers }) => numbers !== '')
    .map(({ protocol, numbers }) => `    iifname != "lo" ${protocol} dport { ${numbers} } drop\n`);
  // Adding an existing table changes nothing, so that deleting it never fails.
  const cleared = `table ${TABLE}\ndelete table ${TABLE}\n`;
  if (rules.length === 0) return cleared;
  return `${cleared}table ${TABLE} {
  chain input {
    type filter hook input priority ${PRIORITY}; policy accept;
${rules.join('')}  }
}
`;
}
