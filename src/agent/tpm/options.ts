import { open, realpath } from 'node:fs/promises';
import { TpeError, codeOf } from '../../common/errors/tpe-error';
import type { Logger } from '../../common/logger';
import type { EkTemplate } from './types';

/** How to open the TPM. */
export interface TpmOptions {
  /** TCTI configuration (`Tss2_TctiLdr_Initialize`). Default: /dev/tpmrm0, then /dev/tpm0. */
  readonly tcti?: string;
  /** Default `tcg`. */
  readonly ekTemplate?: EkTemplate;
  /** `wrapped` (default) keeps the hub key in the state only; `persistent` also puts it at 0x81000100. */
  readonly identityKey?: 'wrapped' | 'persistent';
  /** Name of the EK on record; another one is TPM_EK_CHANGED. */
  readonly expectedEkName?: Uint8Array;
  /** Authorization values of the hierarchies, at most 64 bytes. */
  readonly ownerAuth?: Uint8Array;
  readonly endorsementAuth?: Uint8Array;
  /** Longest wait for one command, and for one that creates an RSA key. Defaults 90 s and 5 min, made for real chips. */
  readonly commandTimeoutMs?: number;
  readonly createTimeoutMs?: number;
  /** How long a busy TPM (RETRY, YIELDED, TESTING, NV_RATE) is asked again. Default 10 s. */
  readonly busyTimeoutMs?: number;
  /** Calls that may wait. Default 4096. */
  readonly queueLimit?: number;
  /** Off only to show that a recording of the bus finds what it looks for. Default on. */
  readonly protectBus?: boolean;
  /** File that keeps the wrapped attestation key; without it a new key is made in every process. */
  readonly attestationKeyFile?: string;
  readonly logger?: Logger;
}

const DEVICES = ['/dev/tpmrm0', '/dev/tpm0'] as const;

/**
 * Opens the device once: systemd's DevicePolicy shows itself at open only.
 * @throws TPM_ABSENT, TPM_NOT_PERMITTED
 */
async function requireDevice(path: string): Promise<void> {
  try {
    await (await open(path, 'r+')).close();
  } catch (error) {
    const code = codeOf(error);
    if (code === 'EACCES' || code === 'EPERM') {
      throw new TpeError('TPM_NOT_PERMITTED', { device: path }, { cause: error });
    }
    // In use by somebody else: the TCTI tells.
    if (code === 'EBUSY') return;
    throw new TpeError('TPM_ABSENT', { devices: path }, { cause: error });
  }
}

/**
 * The TCTI to use and whether a resource manager stands behind it.
 * @throws TPM_ABSENT, TPM_NOT_PERMITTED
 */
export async function chooseTcti(
  configured: string | undefined,
  devices: readonly string[] = DEVICES,
): Promise<{ tcti: string; resourceManaged: boolean }> {
  let tcti = configured;
  if (tcti === undefined || tcti === '') {
    for (const path of devices) {
      try {
        await requireDevice(path);
      } catch (error) {
        if (codeOf(error) === 'TPM_ABSENT') continue;
        throw error;
      }
      tcti = `device:${path}`;
      break;
    }
    if (tcti === undefined || tcti === '') throw new TpeError('TPM_ABSENT', { devices: devices.join(', ') });
  }
  const device = /^device:(.+)$/.exec(tcti)?.[1];
  if (device !== undefined) {
    await requireDevice(device);
    return { tcti, resourceManaged: /tpmrm\d*$/.test(await realpath(device)) };
  }
  return { tcti, resourceManaged: tcti.startsWith('tabrmd') };
}
