import { version } from '../../common/version';
import { groupBy } from '../group-by';
import { EVIDENCE, STAGES } from '../journal/record';
import type { DeviceResult, ReportHeader } from './events';

/** Text as HTML text: much of it came from a network. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

/** `2026-05-04 08:03:20 UTC` of an ISO 8601 time. */
function utc(time: string): string {
  return `${new Date(time).toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

interface Slice {
  readonly label: string;
  readonly count: number;
  readonly colour: string;
}

/** Told apart also by those who see no red and green (Okabe and Ito). */
const COLOURS: Readonly<Record<string, string>> = {
  failed: '#d55e00',
  found: '#999999',
  collected: '#e69f00',
  enrolled: '#56b4e9',
  configured: '#0072b2',
  connected: '#009e73',
};

function slicesOf(results: readonly DeviceResult[]): Slice[] {
  const groups = groupBy(results, ({ result, stage }): string => (result === 'failed' ? 'failed' : stage));
  return [...STAGES.toReversed(), 'failed'].flatMap((label) => {
    const count = groups.get(label)?.length ?? 0;
    return count === 0 ? [] : [{ label, count, colour: COLOURS[label] ?? '#999999' }];
  });
}

const RADIUS = 70;
const AROUND = 2 * Math.PI * RADIUS;

/** A ring: one arc for each outcome, the share of the wanted one in the middle. */
function ring(slices: readonly Slice[], total: number): string {
  let before = 0;
  const arcs = slices.map(({ label, count, colour }) => {
    const length = (count / Math.max(total, 1)) * AROUND;
    const arc = `<circle r="${RADIUS}" cx="100" cy="100" fill="none" stroke="${colour}" stroke-width="34" stroke-dasharray="${length.toFixed(2)} ${AROUND.toFixed(2)}" stroke-dashoffset="${(-before).toFixed(2)}"><title>${label}: ${count}</title></circle>`;
    before += length;
    return arc;
  });
  const failed = slices.find(({ label }) => label === 'failed')?.count ?? 0;
  const share = total === 0 ? 0 : Math.floor(((total - failed) / total) * 100);
  return `<svg viewBox="0 0 200 200" width="200" height="200" role="img" aria-label="${share} % done"><g transform="rotate(-90 100 100)">${arcs.join('')}</g><text x="100" y="98" text-anchor="middle" font-size="34" font-weight="600">${share} %</text><text x="100" y="122" text-anchor="middle" font-size="14" fill="#555">done</text></svg>`;
}

function legend(slices: readonly Slice[]): string {
  const rows = slices.map(
    ({ label, count, colour }) =>
      `<tr><td><span class="dot" style="background:${colour}"></span>${label}</td><td class="number">${count}</td></tr>`,
  );
  return `<table class="legend">${rows.join('')}</table>`;
}

function evidence(results: readonly DeviceResult[]): string {
  const words = {
    certificate: 'proven by the TPM, with a certificate of its maker',
    factoryRecord: 'as written down by the factory',
    possession: 'proven by the private key; without a certificate this does not prove a TPM',
    none: 'taken on trust, nothing proves it',
  };
  const groups = groupBy(results, (result) => result.evidence);
  const rows = EVIDENCE.flatMap((kind) => {
    const count = groups.get(kind)?.length ?? 0;
    return count === 0 ? [] : [`<tr><td>${words[kind]}</td><td class="number">${count}</td></tr>`];
  });
  return rows.length === 0 ? '' : `<h2>Endorsement keys</h2><table>${rows.join('')}</table>`;
}

function row({
  gateway,
  registrationId,
  result,
  stage,
  assignedHub,
  evidence: kind,
  failure,
  durationMs,
}: DeviceResult): string {
  const cells = [
    gateway.serialNumber,
    gateway.modelName,
    gateway.mac,
    `${gateway.address}:${gateway.port}`,
    gateway.firmwareVersion,
    registrationId,
  ].map((text) => `<td>${escapeHtml(text)}</td>`);
  const outcome =
    failure === undefined
      ? `<b>${stage}</b>${assignedHub === undefined ? '' : `<br>${escapeHtml(assignedHub)}`}`
      : `<b>failed</b> at stage ${stage}: ${escapeHtml(failure.message)}<br><i>${escapeHtml(failure.advice)}</i> <code>${escapeHtml(failure.code)}</code>`;
  return `<tr class="${result}">${cells.join('')}<td>${outcome}</td><td>${kind ?? ''}</td><td class="number">${(durationMs / 1000).toFixed(1)}</td></tr>`;
}

const STYLE = `
body{font:15px/1.45 system-ui,sans-serif;color:#1a1a1a;margin:2.5rem auto;max-width:1320px;padding:0 1rem}
h1{font-size:1.6rem;margin:0 0 .2rem}h2{font-size:1.1rem;margin:2rem 0 .6rem}.facts{color:#555;margin:0 0 1.5rem}
.summary{display:flex;gap:2.5rem;align-items:center;flex-wrap:wrap}table{border-collapse:collapse}
td,th{padding:.4rem .5rem;text-align:left;vertical-align:top}.devices{width:100%;font-size:.84rem}.devices td:nth-child(7){overflow-wrap:anywhere}.devices td:nth-child(-n+6){white-space:nowrap}
.devices th{border-bottom:2px solid #bbb}.devices td{border-bottom:1px solid #e2e2e2}.failed{background:#fdf1e9}
.number{text-align:right;font-variant-numeric:tabular-nums}.dot{display:inline-block;width:.8em;height:.8em;border-radius:50%;margin-right:.6em}
code{font-size:.85em;color:#555}@page{size:landscape}@media print{body{margin:0;max-width:none}tr{break-inside:avoid}.failed{background:none}}`;

/** One page that needs nothing else: no script, no font, no picture from elsewhere. */
export function htmlReport(header: ReportHeader, results: readonly DeviceResult[]): string {
  const slices = slicesOf(results);
  const seconds = (Date.parse(header.endedAt) - Date.parse(header.startedAt)) / 1000;
  const columns = [
    'Serial No.',
    'Model',
    'MAC',
    'Address',
    'Version',
    'Registration ID',
    'Result',
    'Evidence',
    'Seconds',
  ];
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Provisioning report</title><style>${STYLE}</style></head><body>
<h1>Provisioning report</h1>
<p class="facts">${utc(header.startedAt)} to ${utc(header.endedAt)} (${seconds.toFixed(0)} s)${header.idScope === '' ? '' : `, ID scope ${escapeHtml(header.idScope)}`}, up to stage “${escapeHtml(header.until)}”. ${results.length} gateways. Made by tpe-provision ${escapeHtml(version)}.</p>
<div class="summary">${ring(slices, results.length)}${legend(slices)}</div>
${evidence(results)}
<h2>Gateways</h2>
<table class="devices"><thead><tr>${columns.map((name) => `<th>${name}</th>`).join('')}</tr></thead><tbody>
${results.map(row).join('\n')}
</tbody></table></body></html>
`;
}
