import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { buildProgram } from '../../../src/provision/cli/program';
import { bashCompletion, fishCompletion, zshCompletion } from '../../../src/provision/cli/completion';

const docs = join(__dirname, '../../../docs');
const program = buildProgram({
  out: { write: () => true },
  err: { write: () => true },
  signal: new AbortController().signal,
  exit: () => undefined,
});
const flags = program.commands.flatMap(({ options }) => options.map(({ long }) => String(long)));

test('every flag and every command is in the reference', async () => {
  const text = await readFile(join(docs, 'reference/tpe-provision.md'), 'utf8');
  expect(
    [...new Set(flags)].filter((flag) => !text.includes(`\`${flag}`) && !text.includes(`, \`${flag}`)),
  ).toEqual([]);
  expect(
    program.commands.map((command) => command.name()).filter((name) => !text.includes(`## ${name}`)),
  ).toEqual([]);
});

test('bash completes commands and flags', () => {
  const script = `${bashCompletion(program)}
COMP_WORDS=(tpe-provision run --id); COMP_CWORD=2; _tpe_provision; echo "\${COMPREPLY[@]}"
COMP_WORDS=(tpe-provision dis); COMP_CWORD=1; _tpe_provision; echo "\${COMPREPLY[@]}"`;
  expect(execFileSync('bash', ['-c', script], { encoding: 'utf8' })).toBe('--id-scope\ndiscover\n');
});

test('zsh and fish get every command and flag, with their choices', () => {
  const [zsh, fish] = [zshCompletion(program), fishCompletion(program)];
  for (const command of program.commands) {
    expect(zsh).toContain(`'${command.name()}:`);
    expect(fish).toContain(`-n __fish_use_subcommand -a ${command.name()} `);
  }
  for (const flag of flags) {
    expect(zsh).toContain(`*${flag}[`);
    expect(fish).toContain(` -l ${flag.slice(2)} `);
  }
  expect(zsh).toContain(':value:(collected enrolled configured connected)');
  expect(fish).toContain("-a 'collected enrolled configured connected'");
  // Quotes that do not close would break the shell that sources this.
  expect(zsh.replace(/'\\''/g, '').match(/'/g)!.length % 2).toBe(0);
});

test('no flag takes a secret', () => {
  const secret = /password|key|secret/;
  const named = program.commands
    .flatMap(({ options }) => options)
    .filter(({ required, optional }) => required || optional)
    .map(({ long }) => String(long))
    .filter((flag) => secret.test(flag) && !/-(file|list)$/.test(flag));
  expect(named).toEqual([]);
});
