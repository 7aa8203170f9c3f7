import { randomBytes } from 'node:crypto';
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { agentFacts } from '../../agent/local/facts';
import { AgentFacts, StatusReport } from '../../agent/local/reports';
import { TpeError, reasonOf, toTpeError } from '../../common/errors/tpe-error';
import { redact } from '../../common/redact';
import { version } from '../../common/version';
import { runChecks } from '../checks/index';
import { thisMachine } from '../machine';
import { print } from '../output';
import { type FilesWithMistake, type Session, ask, askRunning } from '../session';

/** Programs whose output helps whoever reads the bundle. What is not installed is left out. */
const programs: readonly (readonly [string, string, readonly string[]])[] = [
  [
    'journal.txt',
    'journalctl',
    ['-u', 'tpe-agent', '-u', 'tpe-helper', '-u', 'tpe-device-facts', '-n', '20000', '--no-pager'],
  ],
  [
    'service.txt',
    'systemctl',
    ['status', '--no-pager', '-l', 'tpe-agent', 'tpe-helper.socket', 'tpe-device-facts'],
  ],
  ['unit.txt', 'systemctl', ['cat', '--no-pager', 'tpe-agent']],
  ['kernel.txt', 'dmesg', []],
  ['addresses.txt', 'ip', ['address']],
  ['sockets.txt', 'ss', ['-lntup']],
  ['mounts.txt', 'findmnt', ['-A']],
  ['packages.txt', 'dpkg-query', ['-W', 'tpe-*', 'libtss2-*', 'nodejs']],
];

/** Names, sizes and owners of the state; never its content, which is keys and password hashes. */
async function stateListing(folder: string): Promise<string> {
  const names = [...(await thisMachine.listFiles(folder))].sort();
  const rows = await Promise.all(
    names.map(async (name) => {
      const found = await thisMachine.stat(join(folder, name));
      return found === undefined
        ? name
        : `${found.mode.toString(8)} ${found.uid}:${found.gid} ${found.kind} ${name}`;
    }),
  );
  return `${rows.join('\n')}\n`;
}

/** The facts and the judgement on them, or why there are none. */
async function checkReport(session: Session): Promise<unknown> {
  try {
    const { value: facts, running } = await ask(session, AgentFacts, 'check', {}, agentFacts);
    const context = { machine: thisMachine, settings: session.settings, facts, running, version };
    return { facts, running, checks: await runChecks(context, new Set()) };
  } catch (error) {
    // A bundle is wanted most when something is wrong: the reason is part of it.
    return { error: toTpeError(error).toJSON() };
  }
}

/** Packs what support needs into one .tar.gz, secrets masked. */
export async function logsBundle(session: Session, output: string): Promise<number> {
  return bundle({ ...session, state: session.settings.paths.state }, output, () => checkReport(session));
}

/** The same where the settings file has a mistake, which is what support has to see then. */
export async function logsBundleWithBadSettings(
  files: FilesWithMistake,
  mistake: unknown,
  output: string,
): Promise<number> {
  const report = async (): Promise<unknown> => ({
    error: toTpeError(mistake).toJSON(),
    status: await askRunning(files.paths, StatusReport, 'status', {}).catch((error: unknown) =>
      toTpeError(error).toJSON(),
    ),
  });
  return bundle({ ...files, state: files.paths.state }, output, report);
}

async function bundle(
  files: Pick<Session, 'json' | 'settingsPath'> & { readonly state: string },
  output: string,
  report: () => Promise<unknown>,
): Promise<number> {
  const path = resolve(output);
  const folder = await mkdtemp(join(tmpdir(), 'tpe-logs-'));
  try {
    const put = (name: string, text: string): Promise<void> => writeFile(join(folder, name), redact(text));
    await put('check.json', `${JSON.stringify(await report(), undefined, 2)}\n`);
    await put(
      'versions.json',
      `${JSON.stringify({ tpeAgentctl: version, node: process.version, arch: process.arch })}\n`,
    );
    await put('settings.toml', (await thisMachine.read(files.settingsPath)) ?? '');
    await put('state.txt', await stateListing(files.state));
    for (const [name, program, args] of programs) {
      const answer = await thisMachine.run(program, args);
      if (answer !== undefined) await put(name, answer.output);
    }
    await pack(folder, path);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  print(files, { file: path }, () => [`written: ${path}`]);
  return 0;
}

/** Beside its place first: what is there already, a link or a file that others may read, is replaced, not written into. */
async function pack(folder: string, path: string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}.tmp`);
  const before = process.umask(0o077);
  try {
    const tar = await thisMachine.run('tar', [
      '--create',
      '--gzip',
      '--owner=0',
      '--group=0',
      '--numeric-owner',
      `--file=${temporary}`,
      `--transform=s,^\\.,${basename(path)
        .replace(/\.tar\.gz$|\.tgz$/, '')
        .replace(/[^A-Za-z0-9._-]/g, '_')},`,
      `--directory=${folder}`,
      '.',
    ]);
    if (tar?.status !== 0) {
      throw new TpeError('BUNDLE_FAILED', {
        reason: tar === undefined ? 'tar is not installed' : `tar could not write ${path}`,
      });
    }
    await rename(temporary, path).catch((error: unknown) => {
      throw new TpeError('FILE_WRITE_FAILED', { path, reason: reasonOf(error) }, { cause: error });
    });
  } finally {
    process.umask(before);
    await rm(temporary, { force: true });
  }
}
