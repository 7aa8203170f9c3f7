import type { Command } from 'commander';

/** What the command line does not say itself. Plain text; roff is made of it. */
export interface ManualPage {
  readonly section: 1 | 8;
  readonly description: string;
  readonly exitStatus: string;
  readonly environment?: string;
  readonly files: string;
  /** Other pages, as in `tpe-agent(8)`. */
  readonly seeAlso: string;
}

const escape = (text: string): string =>
  text
    .replaceAll('\\', '\\\\')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1');

function optionsOf(command: Command): string[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .filter(({ long }) => long !== '--help' && long !== '--version')
    .map(
      ({ flags, description, envVar }) =>
        `.TP\n.B ${escape(flags)}\n${escape(description)}${envVar === undefined ? '' : ` (environment: ${envVar})`}`,
    );
}

/** Every command that runs something, with its whole name: `factory init` too. */
function commandsOf(command: Command, before: string): string[] {
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((each) => each.name() !== 'help')
    .flatMap((each) => {
      const name = `${before}${each.name()}`;
      if (each.commands.length > 0) return commandsOf(each, `${name} `);
      return [`.SS ${name}`, escape(each.description()), ...optionsOf(each)].join('\n');
    });
}

function section(title: string, text: string | undefined): string {
  return text === undefined || text === '' ? '' : `.SH ${title}\n${text}\n`;
}

/** The manual page in roff, made from the command line itself, so that it cannot fall behind. */
export function manualPage(program: Command, page: ManualPage): string {
  const name = escape(program.name());
  const commands = commandsOf(program, '').join('\n');
  return [
    `.TH ${name.toUpperCase()} ${page.section}\n`,
    section('NAME', `${name} \\- ${escape(program.description())}`),
    section('SYNOPSIS', `.B ${name}\n${commands === '' ? '' : '.I command\n'}.RI [ flags ]`),
    section('DESCRIPTION', escape(page.description)),
    section('OPTIONS', optionsOf(program).join('\n')),
    section('COMMANDS', commands),
    section('EXIT STATUS', escape(page.exitStatus)),
    section('ENVIRONMENT', page.environment === undefined ? undefined : escape(page.environment)),
    section('FILES', escape(page.files)),
    section('SEE ALSO', escape(page.seeAlso)),
  ].join('');
}
