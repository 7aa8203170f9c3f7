import type { ManualPage } from '../../common/manual';

export const manual: ManualPage = {
  section: 1,
  description: `Discovers gateways, logs in, changes the first password, lets each prove its endorsement key, enrolls it in the Device
Provisioning Service, writes the ID scope back, configures it and watches until it is connected.`,
  exitStatus: '0 all well, 1 something failed, 2 wrong usage or a missing setting.',
  environment:
    'TPE_POLICY_KEY, TPE_HUB_POLICY_KEY, TPE_PASSWORD, TPE_NEW_PASSWORD and TPE_VAULT_KEY hold secrets that are in no file.',
  files:
    'A job file (YAML or JSON) holds every setting; its journal, and the files that it names, lie beside it.',
  seeAlso: 'tpe-agent(8), tpe-cloud-emulator(1)',
};
