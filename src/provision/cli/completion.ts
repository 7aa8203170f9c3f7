import { Argument, type Command, type Option } from 'commander';
import type { Streams } from './streams';

/** Completions are made from the command line itself, so that they cannot fall behind. */
const optionsOf = (command: Command): Option[] =>
  command.options.filter(({ long, hidden }) => long != null && !hidden);

const takesValue = (option: Option): boolean => option.required || option.optional;

/** Words after a flag that takes a file are left to the shell's own file completion. */
export function bashCompletion(program: Command): string {
  const cases = program.commands.map((command) => {
    const flags = optionsOf(command).map(({ long }) => long);
    return `    ${command.name()}) words="${[...flags, '--help'].join(' ')}" ;;`;
  });
  const names = program.commands.map((command) => command.name()).join(' ');
  return `_tpe_provision() {
  local current="\${COMP_WORDS[COMP_CWORD]}" words=""
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  [ "$COMP_CWORD" -eq 1 ] && words="${names} help --help --version"
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    *) if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "$words" -- "$current")); else COMPREPLY=($(compgen -f -- "$current")); fi ;;
  esac
}
complete -o filenames -F _tpe_provision tpe-provision
`;
}

/** Inside single quotes of zsh's _arguments: brackets and colons are its syntax. */
const zshText = (text: string): string => text.replace(/'/g, "'\\''").replace(/[[\]:]/g, '\\$&');

function zshOption(option: Option): string {
  const values = option.argChoices === undefined ? '_files' : `(${option.argChoices.join(' ')})`;
  return `'*${option.long ?? ''}[${zshText(option.description)}]${takesValue(option) ? `:value:${values}` : ''}'`;
}

export function zshCompletion(program: Command): string {
  const names = program.commands.map(
    (command) => `'${command.name()}:${zshText(command.description()).replaceAll('\\[', '[')}'`,
  );
  const cases = program.commands.map(
    (command) =>
      `    ${command.name()}) _arguments ${[...optionsOf(command).map(zshOption), "'--help'"].join(' ')} ;;`,
  );
  return `#compdef tpe-provision
_tpe_provision() {
  if (( CURRENT == 2 )); then
    local -a commands=(${names.join(' ')})
    _describe command commands
    return
  fi
  shift words
  (( CURRENT-- ))
  case "\${words[1]}" in
${cases.join('\n')}
  esac
}
compdef _tpe_provision tpe-provision
`;
}

const fishText = (text: string): string => `'${text.replace(/[\\']/g, '\\$&')}'`;

export function fishCompletion(program: Command): string {
  const lines = program.commands.flatMap((command) => [
    `complete -c tpe-provision -f -n __fish_use_subcommand -a ${command.name()} -d ${fishText(command.description())}`,
    ...optionsOf(command).map((option) => {
      const choices =
        option.argChoices === undefined ? '' : ` -f -a ${fishText(option.argChoices.join(' '))}`;
      const value = takesValue(option) ? ` -r${choices}` : '';
      const seen = `-n '__fish_seen_subcommand_from ${command.name()}'`;
      return `complete -c tpe-provision ${seen} -l ${(option.long ?? '').slice(2)}${value} -d ${fishText(option.description)}`;
    }),
  ]);
  return `${lines.join('\n')}\n`;
}

const SHELLS = { bash: bashCompletion, zsh: zshCompletion, fish: fishCompletion } as const;

export function addCompletion(program: Command, streams: Streams): void {
  program
    .command('completion')
    .description('print the completion for a shell, to be sourced by it')
    .addArgument(new Argument('[shell]', 'the shell').choices(Object.keys(SHELLS)).default('bash'))
    .action((shell: keyof typeof SHELLS) => {
      streams.out.write(SHELLS[shell](program));
      streams.exit(0);
    });
}
