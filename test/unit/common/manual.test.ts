import { execFileSync } from 'node:child_process';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArguments } from '../../../src/agent/arguments';
import { manualPages } from '../../support/manual-pages';

const folder = join(__dirname, '../../../docs/man');
const bySelf = manualPages();

test.each(Object.keys(bySelf))('%s in the repository is what the program describes', async (name) => {
  expect(await readFile(join(folder, name), 'utf8')).toBe(bySelf[name]);
});

test('commands of commands are told with their whole name, hidden ones not at all', () => {
  expect(bySelf['tpe-agentctl.8']).toMatch(/^\.SS factory init$/m);
  expect(bySelf['tpe-agentctl.8']).not.toContain('helper\n');
});

test('every option of the daemon is on its page', async () => {
  const page = await readFile(join(folder, 'tpe-agent.8'), 'utf8');
  const help = parseArguments(['--help']);
  const options = [...((help.run ? '' : help.stdout) ?? '').matchAll(/^ {2}(--[a-z]+)/gm)].map(
    (match) => match[1]!,
  );
  expect(options.length).toBeGreaterThanOrEqual(3);
  expect(options.filter((option) => !page.includes(`.B ${option.replaceAll('-', '\\-')}`))).toEqual([]);
});

test('groff has nothing to say about any page', async () => {
  for (const name of await readdir(folder)) {
    const said = execFileSync('sh', ['-c', 'groff -man -Tutf8 -ww -z "$0" 2>&1', join(folder, name)], {
      encoding: 'utf8',
    });
    expect([name, said]).toEqual([name, '']);
  }
});
