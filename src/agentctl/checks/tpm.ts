import { isProblem } from '../../agent/local/reports';
import { type Check, type CheckOutcome, finding, ok } from './types';

const noTpm = (): CheckOutcome => finding('skipped', 'the TPM does not answer', 'See the check "tpm".');

const tpm: Check = {
  id: 'tpm',
  title: 'TPM',
  run({ facts }) {
    if (isProblem(facts.tpm)) {
      return finding('fatal', `${facts.tpm.code}: ${facts.tpm.message}`, facts.tpm.advice);
    }
    const { manufacturer, firmwareVersion, specRevision, tcti } = facts.tpm;
    return ok(`${manufacturer} ${firmwareVersion}, TPM 2.0 revision ${specRevision}, through ${tcti}`);
  },
};

const device: Check = {
  id: 'tpm-device',
  title: 'TPM device file',
  async run({ machine, settings }) {
    const tcti = settings.tpm.tcti;
    if (tcti !== undefined && !tcti.startsWith('device')) {
      return finding(
        'skipped',
        `the settings name ${tcti}`,
        'Nothing to do; only a real TPM has a device file.',
      );
    }
    const configured = tcti?.split(':')[1];
    const paths = configured === undefined ? ['/dev/tpmrm0', '/dev/tpm0'] : [configured];
    for (const path of paths) {
      const found = await machine.stat(path);
      if (found === undefined) continue;
      const owner = await machine.userId('tss');
      const group = (found.mode & 0o060) === 0o060 && found.gid !== 0;
      if (found.kind !== 'device') {
        return finding('failed', `${path} is no device`, 'Remove the file and load the TPM driver again.');
      }
      if (!group) {
        return finding(
          'failed',
          `${path} is closed to group tss (mode ${found.mode.toString(8)})`,
          'Install the package tpm-udev, or reload its rules: udevadm trigger --subsystem-match=tpm --subsystem-match=tpmrm.',
        );
      }
      if (path === '/dev/tpm0') {
        return finding(
          'warning',
          'only /dev/tpm0 is there: without the resource manager nobody else can use the TPM meanwhile',
          'A kernel from 4.12 on with CONFIG_TCG_TPM provides /dev/tpmrm0.',
        );
      }
      return ok(`${path}, owner ${owner === found.uid ? 'tss' : found.uid}, mode ${found.mode.toString(8)}`);
    }
    return finding(
      'fatal',
      `no ${paths.join(' and no ')}`,
      'Check that the gateway has a TPM 2.0 (U-Boot variable "tpm2"), that the BIOS shows it, and that the driver is loaded: dmesg | grep -i tpm.',
    );
  },
};

const version: Check = {
  id: 'tpm-version',
  title: 'TPM version',
  async run({ facts, machine }) {
    if (!isProblem(facts.tpm)) return ok(`2.0, revision ${facts.tpm.specRevision}`);
    const major = (await machine.read('/sys/class/tpm/tpm0/tpm_version_major'))?.trim();
    if (major === '1' || facts.tpm.code === 'TPM_VERSION_UNSUPPORTED') {
      return finding(
        'fatal',
        'this is a TPM 1.2',
        'DPS attestation needs a TPM 2.0: on models that can be both, set the U-Boot variable "tpm2" to 1.',
      );
    }
    return noTpm();
  },
};

const lockout: Check = {
  id: 'tpm-lockout',
  title: 'Dictionary attack lock-out',
  run({ facts }) {
    if (isProblem(facts.tpm)) return noTpm();
    const { active, counter, maxTries } = facts.tpm.lockout;
    if (active) {
      return finding(
        'failed',
        `the TPM is locked out (${counter} of ${maxTries} tries)`,
        'Wait for its recovery time, or reset it with the lock-out authorization: tpm2_dictionarylockout --clear-lockout.',
      );
    }
    if (counter > 0) {
      return finding(
        'warning',
        `${counter} of ${maxTries} tries are used up`,
        'Something uses wrong authorizations, or the power was cut while the TPM was in use; the counter falls by itself.',
      );
    }
    return ok(`0 of ${maxTries} tries`);
  },
};

const authorizations: Check = {
  id: 'tpm-authorizations',
  title: 'Owner and endorsement authorizations',
  run({ facts }) {
    if (isProblem(facts.tpm)) return noTpm();
    const { ownerAuthSet, endorsementAuthSet } = facts.tpm;
    if (!ownerAuthSet && !endorsementAuthSet) return ok('none is set');
    const names = [ownerAuthSet ? 'owner' : '', endorsementAuthSet ? 'endorsement' : ''].filter(
      (n) => n !== '',
    );
    if (!isProblem(facts.ek) && !isProblem(facts.srk))
      return ok(`${names.join(' and ')} set, keys are usable`);
    return finding(
      'failed',
      `${names.join(' and ')} authorization is set and the keys cannot be used`,
      'Give the authorizations as systemd credentials: docs/guides/systemd.md, "Authorizations".',
    );
  },
};

/** CVE-2023-22745 and CVE-2024-29040 are mended from here on. */
const MENDED_TSS = [4, 1, 0] as const;
/** The newest round of advisories is mended from here on. */
const CURRENT_TSS = [4, 2, 0] as const;

function older(text: string, limit: readonly number[]): boolean {
  const parts = text.split('.').map((part) => Number.parseInt(part, 10) || 0);
  for (const [index, bound] of limit.entries()) {
    const part = parts[index] ?? 0;
    if (part !== bound) return part < bound;
  }
  return false;
}

const tss: Check = {
  id: 'tss-version',
  title: 'tpm2-tss library',
  run({ facts }) {
    if (isProblem(facts.tpm)) return noTpm();
    const { tssVersion } = facts.tpm;
    if (older(tssVersion, MENDED_TSS)) {
      return finding(
        'warning',
        `${tssVersion}: upstream mended CVE-2023-22745 and CVE-2024-29040 later`,
        'Debian mends these in its own packages: keep libtss2 up to date with apt.',
      );
    }
    if (older(tssVersion, CURRENT_TSS)) {
      return finding(
        'warning',
        `${tssVersion}: upstream mended further advisories in ${CURRENT_TSS.join('.')}`,
        'Keep libtss2 up to date with apt.',
      );
    }
    return ok(tssVersion);
  },
};

const ek: Check = {
  id: 'ek',
  title: 'Endorsement key',
  run({ facts }) {
    if (isProblem(facts.tpm)) return noTpm();
    if (isProblem(facts.ek)) return finding('failed', facts.ek.message, facts.ek.advice);
    const recorded = facts.factory?.ekName;
    if (recorded !== undefined && recorded !== facts.ek.name) {
      return finding(
        'failed',
        'the TPM has another endorsement key than the factory recorded',
        'Somebody changed the TPM or the main board; the enrollment of the old key no longer fits. Check on site before enrolling the new key.',
      );
    }
    if (facts.ek.template === 'azure-legacy') {
      return finding(
        'warning',
        "the key comes from the template of Microsoft's SDKs and does not match the manufacturer's certificate",
        'Set tpm.ekTemplate = "tcg" and enroll again, unless an existing enrollment must stay valid.',
      );
    }
    return ok(
      `${facts.ek.persistent ? 'persistent at 0x81010001' : 'derived'}, name ${facts.ek.name.slice(0, 20)}…`,
    );
  },
};

const ekCertificate: Check = {
  id: 'ek-certificate',
  title: 'EK certificate',
  run({ facts }) {
    if (isProblem(facts.ek)) return noTpm();
    if (facts.ek.certificate === undefined) {
      return finding(
        'warning',
        'the TPM holds no EK certificate',
        "Nobody can prove from afar that this is a genuine TPM: compare the EK with the factory's record.",
      );
    }
    return ok('present');
  },
};

const srk: Check = {
  id: 'srk',
  title: 'Storage root key',
  run({ facts }) {
    if (isProblem(facts.tpm)) return noTpm();
    if (isProblem(facts.srk)) return finding('failed', facts.srk.message, facts.srk.advice);
    return ok(`name ${facts.srk.name.slice(0, 20)}…`);
  },
};

const identityKey: Check = {
  id: 'identity-key',
  title: 'Identity key',
  run({ facts: { provisioning } }) {
    if (provisioning === undefined) {
      return finding('skipped', 'only a running agent knows', 'Start the agent: systemctl start tpe-agent.');
    }
    const { assignedHub, state, lastError } = provisioning;
    if (assignedHub === undefined) {
      return finding('skipped', 'DPS gave none yet', 'See the checks "azure-configuration" and "dps".');
    }
    if (state !== 'connected' && lastError?.code.startsWith('TPM_') === true) {
      return finding('failed', lastError.message, lastError.advice);
    }
    return ok(`kept for ${assignedHub}${state === 'connected' ? ', and the hub takes its signatures' : ''}`);
  },
};

export const tpmChecks: readonly Check[] = [
  tpm,
  device,
  version,
  lockout,
  authorizations,
  tss,
  ek,
  ekCertificate,
  srk,
  identityKey,
];
