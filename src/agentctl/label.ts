import { toString as qrToString } from 'qrcode';
import type { FactoryRecord } from '../agent/local/factory-init';

/** Millimetres. */
const WIDTH = 60;
const HEIGHT = 30;
const QR_SIZE = 26;
const MARGIN = 2;
const LINE = 3.6;

const escape = (text: string): string => text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);

/**
 * What the QR code says: `tpe:1?` and URL-encoded fields. The TLS key's fingerprint is in it, so that a scanned label
 * replaces trust on first use.
 */
export function labelText(record: FactoryRecord): string {
  const fields: [string, string][] = [
    ['sn', record.serialNumber],
    ['mac', record.mac],
    ['rid', record.registrationId],
    ['pw', record.initialPassword],
    ['key', record.keySha256],
  ];
  const present = fields.filter(([, value]) => value !== '');
  return `tpe:1?${present.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&')}`;
}

/** The label of the gateway's case: 60 × 30 mm, text and QR code. */
export async function labelSvg(record: FactoryRecord): Promise<string> {
  const code = await qrToString(labelText(record), { type: 'svg', errorCorrectionLevel: 'M', margin: 0 });
  const viewBox = /viewBox="([^"]+)"/.exec(code)?.[1] ?? '';
  const paths = /<svg[^>]*>(.*)<\/svg>/s.exec(code)?.[1] ?? '';
  const lines = [
    record.modelName,
    `S/N ${record.serialNumber}`,
    `MAC ${record.mac}`,
    ...(record.initialPassword === '' ? [] : ['admin', record.initialPassword]),
  ];
  const text = lines
    .map(
      (line, i) => `<text x="${QR_SIZE + 2 * MARGIN}" y="${MARGIN + LINE * (i + 1)}">${escape(line)}</text>`,
    )
    .join('\n  ');
  return `<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}mm" height="${HEIGHT}mm" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="monospace" font-size="2.8">
  <rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>
  <svg x="${MARGIN}" y="${MARGIN}" width="${QR_SIZE}" height="${QR_SIZE}" viewBox="${viewBox}" shape-rendering="crispEdges">${paths.trim()}</svg>
  ${text}
</svg>
`;
}
