import { type Check, finding, ok } from './types';

/** Moxa's numbers for units whose serial number was never written. */
const PLACEHOLDER_SERIALS = /^(IMOXA\d{7}|0+|1+|X+)$/i;

const serial: Check = {
  id: 'device-serial',
  title: 'Serial number',
  run({ facts: { identity } }) {
    const { serialNumber, mac } = identity;
    if (serialNumber.toLowerCase() === mac) {
      return finding(
        'warning',
        `no serial number is known, the MAC address ${mac} stands in`,
        'Set "serialnumber" in the U-Boot environment, or device.serialNumber in the settings file.',
      );
    }
    if (PLACEHOLDER_SERIALS.test(serialNumber)) {
      return finding(
        'warning',
        `${serialNumber} is a placeholder that several units share`,
        'Write the number of the type plate: the registration ID is made from it, and two devices with one registration ID push each other out.',
      );
    }
    return ok(serialNumber);
  },
};

const model: Check = {
  id: 'device-model',
  title: 'Model name',
  run({ facts: { identity } }) {
    if (identity.modelName !== 'Unknown') return ok(identity.modelName);
    return finding(
      'warning',
      'the model name is not known',
      'Set "modelname" in the U-Boot environment, or device.modelName in the settings file.',
    );
  },
};

const mac: Check = {
  id: 'device-mac',
  title: 'MAC address',
  run({ facts: { identity } }) {
    const first = Number.parseInt(identity.mac.slice(0, 2), 16);
    if ((first & 1) === 1) {
      return finding(
        'failed',
        `${identity.mac} is a group address`,
        'Correct "ethaddr" in the U-Boot environment, or device.macAddress in the settings file.',
      );
    }
    if ((first & 2) === 2) {
      return finding(
        'warning',
        `${identity.mac} is made up locally and may change at the next start`,
        'Set "ethaddr" in the U-Boot environment, or device.macAddress in the settings file.',
      );
    }
    return ok(identity.mac);
  },
};

const factory: Check = {
  id: 'factory-record',
  title: 'Factory step',
  run({ facts }) {
    if (facts.factory === undefined) {
      return finding(
        'warning',
        'this gateway never went through "factory init": the initial password is the well-known one',
        'Run "tpe-agentctl factory init" before the gateway leaves the factory; in the field, change the password at once.',
      );
    }
    if (facts.factory.serialNumber !== facts.identity.serialNumber) {
      return finding(
        'warning',
        `the factory recorded ${facts.factory.serialNumber}, the device says ${facts.identity.serialNumber}`,
        'The main board or the settings were changed: run "tpe-agentctl factory init" again and replace the label.',
      );
    }
    return ok(`recorded as ${facts.factory.serialNumber}`);
  },
};

const password: Check = {
  id: 'initial-password',
  title: 'Initial password',
  run({ facts }) {
    if (facts.passwordMustChange === undefined) {
      return finding('skipped', 'only a running agent knows', 'Start the agent: systemctl start tpe-agent.');
    }
    if (!facts.passwordMustChange) return ok('was changed');
    return finding(
      'warning',
      'the administrator has not chosen a password yet',
      'Log in and change it (tpe-provision run does so); until then every other route answers 403.',
    );
  },
};

export const deviceChecks: readonly Check[] = [serial, model, mac, factory, password];
