import { Command, Option } from 'commander';
import { DEFAULT_SETTINGS_PATH, loadSettings, usualPaths } from '../agent/config/settings';
import { version } from '../common/version';
import { check } from './commands/check';
import { deviceFacts } from './commands/device-facts';
import { ek } from './commands/ek';
import { init, reset } from './commands/factory';
import { helper } from './commands/helper';
import { logsBundle, logsBundleWithBadSettings } from './commands/logs';
import { status, statusWithBadSettings } from './commands/status';
import { printError } from './output';
import type { FilesWithMistake, Session } from './session';

const EXIT_FAILED = 1;

interface CommonOptions {
  readonly config: string;
  readonly json?: true;
  readonly ownerAuthFile?: string;
  readonly endorsementAuthFile?: string;
}

async function sessionOf(options: CommonOptions): Promise<Session> {
  return {
    settings: await loadSettings(options.config),
    settingsPath: options.config,
    json: options.json === true,
    authFiles: { owner: options.ownerAuthFile, endorsement: options.endorsementAuthFile },
  };
}

/** Runs something; its exit code becomes the process's. */
async function ended(options: { json?: true }, run: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await run();
  } catch (error) {
    printError({ json: options.json === true }, error);
    process.exitCode = EXIT_FAILED;
  }
}

/** One command on the settings of the agent. */
function action<O extends CommonOptions>(run: (session: Session, options: O) => Promise<number>) {
  return async (options: O): Promise<void> =>
    ended(options, async () => run(await sessionOf(options), options));
}

/** A command that has an answer, too, where the settings file has a mistake: that is when it is wanted most. */
function sturdyAction<O extends CommonOptions>(
  run: (session: Session, options: O) => Promise<number>,
  runWithBadSettings: (files: FilesWithMistake, mistake: unknown, options: O) => Promise<number>,
) {
  return async (options: O): Promise<void> =>
    ended(options, async () => {
      let session: Session;
      try {
        session = await sessionOf(options);
      } catch (mistake) {
        const { config: settingsPath, json } = options;
        const files = { settingsPath, json: json === true, paths: await usualPaths(settingsPath) };
        return runWithBadSettings(files, mistake, options);
      }
      return run(session, options);
    });
}

function common(command: Command): Command {
  return command
    .option('--config <file>', 'settings file of the agent', DEFAULT_SETTINGS_PATH)
    .option('--json', 'print one JSON object')
    .exitOverride();
}

/** For commands that open the TPM themselves when no agent runs. */
function withTpm(command: Command): Command {
  return common(command)
    .addOption(new Option('--owner-auth-file <file>', 'owner authorization of the TPM, where one is set'))
    .addOption(
      new Option('--endorsement-auth-file <file>', 'endorsement authorization of the TPM, where one is set'),
    );
}

const collect = (value: string, before: string[]): string[] => [...before, value];

/** The command line as a value: run by main.ts, described by its manual page. */
export function buildProgram(): Command {
  const root = new Command('tpe-agentctl')
    .description('Local command line of the ThingsPro Edge provisioning agent. Run it as root.')
    .version(version)
    .exitOverride();

  withTpm(root.command('status').description('what the gateway is and what it is doing')).action(
    sturdyAction(status, statusWithBadSettings),
  );
  withTpm(root.command('ek').description('endorsement key and registration ID, for an enrollment')).action(
    action(ek),
  );
  withTpm(
    root.command('check').description('look for everything that could keep the gateway from connecting'),
  )
    .option('--ignore <id>', 'leave this finding out of the verdict; may be repeated', collect, [])
    .action(
      action((session, options: CommonOptions & { ignore: string[] }) => check(session, options.ignore)),
    );

  const factory = root.command('factory').description("the factory's steps").exitOverride();
  withTpm(factory.command('init').description('prepare a new gateway; write its record and label'))
    .option('--output <folder>', 'where record, list and label go', '.')
    .option('--renew-password', 'make a new initial password although there is one', false)
    .option('--without-tpm', 'go on on a gateway that has no TPM', false)
    .action(
      action(
        (session, options: CommonOptions & { output: string; renewPassword: boolean; withoutTpm: boolean }) =>
          init(session, options),
      ),
    );
  withTpm(factory.command('reset').description('purge identity, accounts, settings and logs'))
    .option('--yes', 'do not ask at the terminal; needed where there is none, unless --json is given', false)
    .action(action((session, options: CommonOptions & { yes: boolean }) => reset(session, options.yes)));

  const logs = root.command('logs').description('logs for support').exitOverride();
  withTpm(logs.command('bundle').description('pack logs, checks and facts without secrets'))
    .option('--output <file>', 'the .tar.gz', 'tpe-logs.tar.gz')
    .action(
      sturdyAction(
        (session, options: CommonOptions & { output: string }) => logsBundle(session, options.output),
        (files, mistake, options) => logsBundleWithBadSettings(files, mistake, options.output),
      ),
    );

  common(root.command('device-facts', { hidden: true }))
    .option('--output <file>', 'write them to this file')
    .action(async (options: { json?: true; output?: string }) =>
      ended(options, () => deviceFacts(options.json === true, options.output)),
    );
  // Started by tpe-helper.service with a socket of systemd's.
  root
    .command('helper', { hidden: true })
    .exitOverride()
    .action(async () =>
      ended({}, async () => {
        await helper();
        return 0;
      }),
    );
  return root;
}
