import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Job } from '../flow/job';
import { REQUIREMENTS, type Requirement } from '../trust/requirements';
import { STAGES } from '../journal/record';
import { type JobFile, loadJobFile } from '../settings/job-file';

/** What commander collects from flags and environment; the names follow the flags. */
export interface Flags {
  readonly job?: string;
  readonly json?: boolean;
  readonly target?: string[];
  readonly port?: number;
  readonly seconds?: number;
  readonly user?: string;
  readonly passwordFile?: string;
  readonly askPassword?: boolean;
  readonly newPasswordFile?: string;
  readonly newPasswordList?: string;
  readonly vault?: string;
  readonly vaultKeyFile?: string;
  readonly trustOnFirstUse?: boolean;
  readonly ekRoots?: string;
  readonly require?: Requirement[];
  readonly until?: Job['until'];
  readonly journal?: string;
  readonly only?: string[];
  readonly report?: string[];
  readonly from?: string;
  readonly dpsEndpoint?: string;
  readonly policyName?: string;
  readonly policyKeyFile?: string;
  readonly dpsCa?: string;
  readonly hubPolicyName?: string;
  readonly hubPolicyKeyFile?: string;
  readonly hubEndpoint?: string;
  readonly idScope?: string;
  readonly globalEndpoint?: string;
  readonly registrationId?: string;
  readonly replace?: boolean;
  readonly enableService?: string[];
  readonly disableService?: string[];
  readonly concurrency?: number;
  readonly connectTimeout?: number;
}

function number(minimum: number, maximum: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === '' || !(value >= minimum && value <= maximum)) {
      throw new InvalidArgumentError(`It is a number from ${minimum} to ${maximum}.`);
    }
    return value;
  };
}

function whole(minimum: number, maximum: number): (text: string) => number {
  const parse = number(minimum, maximum);
  return (text) => {
    const value = parse(text);
    if (!Number.isInteger(value)) throw new InvalidArgumentError('It is a whole number.');
    return value;
  };
}

const collect = (text: string, before: string[] | undefined): string[] => [...(before ?? []), text];

export function commonFlags(command: Command): Command {
  return command
    .addOption(
      new Option('--job <file>', 'job file (YAML or JSON) with settings; flags win over it').env('TPE_JOB'),
    )
    .option('--json', 'one JSON object a line instead of text');
}

export function discoveryFlags(command: Command): Command {
  return command
    .option(
      '--target <address>',
      'probe this address, network (10.0.0.0/24) or [IPv6%interface]; with :port; repeatable. Without it: broadcast on every interface',
      collect,
    )
    .addOption(new Option('--port <number>', 'UDP port of discovery (40404)').argParser(whole(1, 65_535)))
    .addOption(
      new Option('--seconds <number>', 'how long answers are collected (3)').argParser(number(0.1, 600)),
    );
}

export function gatewayFlags(command: Command): Command {
  return command
    .addOption(new Option('--user <name>', 'account on the gateways (admin)').env('TPE_USER'))
    .option('--password-file <file>', "current password; TPE_PASSWORD otherwise, the factory's without both")
    .option('--ask-password', 'ask for the current password at the terminal')
    .option(
      '--new-password-file <file>',
      'password to set where a gateway wants a change, a rule with {serial} or {mac} at will; or TPE_NEW_PASSWORD',
    )
    .option('--new-password-list <file>', 'CSV with serialNumber and password to set')
    .option('--vault <file>', 'generate a password for each gateway and keep them in this encrypted file')
    .option('--vault-key-file <file>', 'passphrase of the vault; or TPE_VAULT_KEY')
    .option(
      '--trust-on-first-use',
      'believe the TLS key that a gateway shows now, where no factory record names it',
    );
}

export function dpsFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--dps-endpoint <host>',
        'DPS service endpoint, e.g. name.azure-devices-provisioning.net',
      ).env('TPE_DPS_ENDPOINT'),
    )
    .addOption(
      new Option('--policy-name <name>', 'shared access policy (provisioningserviceowner)').env(
        'TPE_POLICY_NAME',
      ),
    )
    .option('--policy-key-file <file>', 'key of the policy; or TPE_POLICY_KEY')
    .addOption(
      new Option('--dps-ca <file>', 'PEM of the authorities to trust for the endpoint').env('TPE_DPS_CA'),
    );
}

export function hubFlags(command: Command): Command {
  return command
    .addOption(
      new Option('--hub-policy-name <name>', 'shared access policy of the hubs (service)').env(
        'TPE_HUB_POLICY_NAME',
      ),
    )
    .option('--hub-policy-key-file <file>', 'its key: the hubs are asked, too; or TPE_HUB_POLICY_KEY')
    .option('--hub-endpoint <host>', 'dial this, with :port, in the place of the hubs; for emulators');
}

/** Which gateways of a journal are meant. */
export function journalFlags(command: Command): Command {
  return command
    .option('--journal <file>', 'where a run goes on after a kill; beside the job file when there is one')
    .option('--only <serial...>', 'only these gateways');
}

export function enrollmentFlags(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--registration-id <template>',
        'registration ID of a gateway, made lower case ({serial}); also {mac}, {model}',
      ),
    )
    .option('--replace', 'overwrite an enrollment, also one that has another endorsement key');
}

export function scopeFlag(command: Command): Command {
  return command.addOption(new Option('--id-scope <scope>', 'ID scope of the DPS').env('TPE_ID_SCOPE'));
}

export function fromFlag(command: Command): Command {
  return command.option(
    '--from <file>',
    'factory record, CSV: serialNumber, mac, keySha256, endorsementKey, password',
  );
}

export function vaultFlags(command: Command): Command {
  return command
    .option('--vault <file>', 'encrypted file with the passwords')
    .option('--vault-key-file <file>', 'passphrase of the vault; or TPE_VAULT_KEY');
}

export function trustFlags(command: Command): Command {
  return command
    .option('--ek-roots <folder>', "TPM vendors' certificates; EK certificates are then checked")
    .addOption(
      new Option('--require <evidence...>', 'refuse gateways without this evidence for their EK').choices(
        REQUIREMENTS,
      ),
    );
}

export function runFlags(command: Command): Command {
  return journalFlags(scopeFlag(command))
    .addOption(new Option('--until <stage>', 'stage to stop at (connected)').choices(STAGES.slice(1)))
    .option('--report <file>', 'write a report at the end: .csv, .json or .html; repeatable', collect)
    .addOption(
      new Option(
        '--global-endpoint <url>',
        'device endpoint that the gateways register at (https://global.azure-devices-provisioning.net)',
      ).env('TPE_GLOBAL_ENDPOINT'),
    )
    .option('--enable-service <id>', 'service to enable on every gateway; repeatable', collect)
    .option('--disable-service <id>', 'service to disable on every gateway; repeatable', collect)
    .addOption(new Option('--concurrency <number>', 'gateways at a time (32)').argParser(whole(1, 512)))
    .addOption(
      new Option('--connect-timeout <seconds>', 'how long a gateway may take to connect (300)').argParser(
        number(1, 86_400),
      ),
    );
}

export async function jobOf(flags: Flags): Promise<JobFile> {
  return flags.job === undefined ? {} : loadJobFile(flags.job);
}
