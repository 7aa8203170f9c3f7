import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Settings } from '../../../src/emulator/admin/admin-api';
import { COUNTED } from '../../../src/emulator/admin/counters';
import { refusals } from '../../../src/emulator/dps/refusal';
import { FAULT_POINTS, FaultAction } from '../../../src/emulator/faults/faults';

const read = (name: string): string => readFileSync(join(__dirname, '../../../docs/reference', name), 'utf8');

test('every refusal of DPS is documented, and no other', () => {
  const rows = [...read('emulator-dps.md').matchAll(/^\| (\d{3}) \| (\d{6}) \|/gm)];
  const documented = rows.map(([, status, code]) => `${status} ${code}`).sort();
  expect(documented).toEqual(
    Object.values(refusals)
      .map(([status, code]) => `${status} ${code}`)
      .sort(),
  );
});

test('every fault point, action, counter and setting is documented', () => {
  const text = read('emulator-admin-api.md');
  const actions = FaultAction.anyOf.map((action) => action.properties.type.const);
  for (const name of [...FAULT_POINTS, ...COUNTED, ...Object.keys(Settings.properties)]) {
    expect(text).toContain(`\`${name}\``);
  }
  for (const action of actions) expect(text).toContain(`{"type":"${action}"`);
});

test('every option of the program is documented', () => {
  const source = readFileSync(join(__dirname, '../../../src/emulator/command-line.ts'), 'utf8');
  const options = [...source.matchAll(/ption\('(--[a-z-]+) /g)].map(([, name]) => name);
  expect(options.length).toBeGreaterThan(6);
  for (const option of options) expect(read('emulator.md')).toContain(`| \`${option} `);
});
