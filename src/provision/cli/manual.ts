import type { Command } from 'commander';

const escape = (text: string): string =>
  text.replaceAll('\\', '\\\\').replaceAll('-', '\\-').replace(/^\./gm, '\\&.');

function optionsOf(command: Command): string[] {
  return command.options.map(
    ({ flags, description, envVar }) =>
      `.TP\n.B ${escape(flags)}\n${escape(description)}${envVar === undefined ? '' : ` (environment: ${envVar})`}`,
  );
}

/** The manual page in roff, made from the command line itself, so that it cannot fall behind. */
export function manualPage(program: Command): string {
  const commands = program.commands.map((command) =>
    [`.SS ${command.name()}`, escape(command.description()), ...optionsOf(command)].join('\n'),
  );
  return `.TH TPE\\-PROVISION 1
.SH NAME
tpe\\-provision \\- ${escape(program.description())}
.SH SYNOPSIS
.B tpe\\-provision
.I command
.RI [ flags ]
.SH DESCRIPTION
Discovers gateways, logs in, changes the first password, lets each prove its endorsement key, enrolls it in the Device
Provisioning Service, writes the ID scope back, configures it and watches until it is connected.
.SH COMMANDS
${commands.join('\n')}
.SH EXIT STATUS
0 all well, 1 something failed, 2 wrong usage or a missing setting.
.SH ENVIRONMENT
TPE_POLICY_KEY, TPE_HUB_POLICY_KEY, TPE_PASSWORD, TPE_NEW_PASSWORD and TPE_VAULT_KEY hold secrets that are in no file.
.SH FILES
A job file (YAML or JSON) holds every setting; its journal, and the files that it names, lie beside it.
`;
}
