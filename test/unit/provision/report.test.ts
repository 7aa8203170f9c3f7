import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DeviceResult } from '../../../src/provision/report/events';
import { LiveTable } from '../../../src/provision/report/live-table';
import { writeReport } from '../../../src/provision/report/report-file';
import { parseCsv } from '../../../src/provision/csv';

const header = {
  startedAt: '2026-05-04T08:00:00Z',
  endedAt: '2026-05-04T08:03:20Z',
  idScope: '0ne1',
  until: 'connected',
};

function result(serialNumber: string, change: Partial<DeviceResult> = {}): DeviceResult {
  return {
    gateway: {
      deviceId: serialNumber,
      serialNumber,
      mac: '0090e8000001',
      modelName: 'UC-8112A-ME-T-LX',
      firmwareVersion: '1.3.2',
      address: '192.168.4.127',
      port: 8443,
      apiBase: '/api/v1',
      keySha256: '',
    },
    registrationId: serialNumber.toLowerCase(),
    endorsementKey: 'AToAAQ==',
    result: 'done',
    stage: 'connected',
    lastStep: 'connect',
    evidence: 'possession',
    durationMs: 4200,
    ...change,
  };
}

const failure = {
  code: 'PROVISION_NO_EK' as const,
  message: 'it has none',
  advice: 'look',
  retryable: false,
};
const results = [result('TAICB1'), result('TAICB2', { result: 'failed', stage: 'found', failure })];

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tpe-report-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function report(name: string, of: readonly DeviceResult[] = results): Promise<string> {
  const path = join(folder, name);
  await writeReport(path, header, of);
  return readFile(path, 'utf8');
}

test('the CSV report names failed gateways first, with reason and advice', async () => {
  const rows = parseCsv(await report('r.csv'), 'r').map(({ values }) => values);
  expect(rows.map((row) => [row['serialNumber'], row['result'], row['advice']])).toEqual([
    ['TAICB2', 'failed', 'look'],
    ['TAICB1', 'done', ''],
  ]);
});

test('a cell that a spreadsheet would run is disarmed', async () => {
  const text = await report('r.csv', [result('=cmd|calc')]);
  expect(text).toContain("\r\n'=cmd|calc,");
});

test('the JSON report carries everything', async () => {
  expect(JSON.parse(await report('r.json'))).toMatchObject({ idScope: '0ne1', results: [{ failure }, {}] });
});

test('the page shows the share, the legend and the gateways, and runs nothing', async () => {
  const page = await report('r.html', [...results, result('<script>alert(1)</script>')]);
  expect(page).toContain('66 %');
  expect(page).toMatch(/connected<\/td>\s*<td class="number">2/);
  expect(page).not.toContain('<script');
  expect(page).toContain('&#60;script&#62;');
  expect(page).toContain("default-src 'none'");
});

test('another ending is refused before anything is done', async () => {
  await expect(report('r.xls')).rejects.toMatchObject({ code: 'PROVISION_SETTING_INVALID' });
});

test('a folder that is not there is told in one sentence', async () => {
  await expect(writeReport(join(folder, 'no', 'r.csv'), header, results)).rejects.toMatchObject({
    code: 'FILE_WRITE_FAILED',
  });
});

test('the live table draws in place, and a name cannot move the cursor', () => {
  let out = '';
  const table = new LiveTable({ write: (text) => (out += text), rows: 24, columns: 300 }, false);
  const gateway = { ...result('TAICB1').gateway, modelName: 'UC\u001b[2J' };
  table.report({ event: 'discovered', gateway });
  table.report({ event: 'device', ...result('TAICB1'), gateway });
  table.end();
  expect(out).toContain('UC?[2J');
  expect(out).toMatch(/taicb1 +connected/);
  expect(out).toContain('1 of 1 finished');
});

test.each([0, 60, 80, 120])(
  'on a terminal of %d columns the result is seen and no line is too long',
  (columns) => {
    let out = '';
    const table = new LiveTable({ write: (text) => (out += text), rows: 24, columns }, false);
    table.report({ event: 'discovered', gateway: result('TAICB1046771').gateway });
    table.report({ event: 'device', ...result('TAICB1046771', { failure, result: 'failed' }) });
    table.end();
    const drawn = out.replaceAll('\u001b[K', '').split('\n').slice(0, 3);
    expect(drawn[1]).toMatch(/TAICB1046771.* FAILED PROVISION_NO_EK$/);
    for (const line of drawn) expect(line.length).toBeLessThanOrEqual(columns || 80);
  },
);

test('progress is told for each gateway and overall, with failures', () => {
  let out = '';
  const table = new LiveTable({ write: (text) => (out += text), rows: 24, columns: 120 }, false);
  const [one, two] = [result('TAICB1'), result('TAICB2')];
  for (const { gateway } of [one, two]) table.report({ event: 'discovered', gateway });
  const step = { event: 'step', deviceId: 'TAICB1', serialNumber: 'TAICB1' } as const;
  table.report({ ...step, step: 'enrollment', status: 'started' });
  table.report({ event: 'device', ...two, failure, result: 'failed' });
  table.end();
  expect(out).toContain('▰▰▰▰▱▱▱▱▱▱▱ enrollment …');
  expect(out).toMatch(/▰{10}▱{10} 1 of 2 finished, 1 failed, \d+ a minute, about \d+ s left/);
});
