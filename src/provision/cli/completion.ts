import type { Command } from 'commander';
import type { Streams } from './streams';

/** Words after a flag that takes a file are left to the shell's own file completion. */
function flagsOf(command: Command): string[] {
  return command.options.flatMap(({ long, hidden }) => (long == null || hidden ? [] : [long]));
}

/** A bash completion made from the command line itself, so that it cannot fall behind; zsh reads it by bashcompinit. */
export function bashCompletion(program: Command): string {
  const cases = program.commands.map(
    (command) => `    ${command.name()}) words="${[...flagsOf(command), '--help'].join(' ')}" ;;`,
  );
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

export function addCompletion(program: Command, streams: Streams): void {
  program
    .command('completion')
    .description('print the completion for bash (zsh: autoload -U bashcompinit; bashcompinit first)')
    .action(() => {
      streams.out.write(bashCompletion(program));
      streams.exit(0);
    });
}
