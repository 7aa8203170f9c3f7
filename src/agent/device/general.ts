import { readFile, statfs } from 'node:fs/promises';
import { cpus, hostname, totalmem, uptime } from 'node:os';
import { version } from '../../common/version';
import type { DeviceIdentity } from './types';

/** A mounted file system; sizes in bytes. */
export interface Disk {
  readonly name: string;
  readonly mount: string;
  readonly device: string;
  readonly total: number;
  readonly free: number;
  readonly used: number;
  /** 0–100. */
  readonly percent: number;
  readonly tags: readonly string[];
}

/** `/device/general` without what users set. */
export interface DeviceGeneral {
  readonly type: 'general';
  readonly hostName: string;
  readonly modelName: string;
  readonly serialNumber: string;
  readonly thingsproVersion: string;
  readonly firmwareVersion: string;
  readonly biosVersion: string;
  readonly lastRebootTime: string;
  readonly memorySize: number;
  readonly cpu: string;
  readonly disk: readonly Disk[];
}

const FRESH_MS = 10_000;

async function rootDevice(): Promise<string> {
  const mounts = await readFile('/proc/self/mounts', 'utf8').catch(() => '');
  const line = mounts.split('\n').find((each) => each.split(' ')[1] === '/');
  return line?.split(' ')[0] ?? '/dev/root';
}

async function systemDisk(): Promise<Disk> {
  const { blocks, bfree, bavail, bsize } = await statfs('/');
  const total = blocks * bsize;
  const used = (blocks - bfree) * bsize;
  const percent = total === 0 ? 0 : Math.round((used / total) * 1000) / 10;
  return {
    name: 'System',
    mount: '/',
    device: await rootDevice(),
    total,
    free: bavail * bsize,
    used,
    percent,
    tags: ['system'],
  };
}

async function biosVersion(): Promise<string> {
  for (const path of ['/sys/class/dmi/id/bios_version', '/proc/device-tree/chosen/u-boot,version']) {
    const text = await readFile(path, 'utf8').catch(() => '');
    if (text.trim() !== '') return text.replace(/\0/g, '').trim();
  }
  return '';
}

/** Reads `/device/general`. What changes while the agent runs (disk, host name) is read at most every 10 s. */
export class GeneralReader {
  readonly #identity: DeviceIdentity;
  readonly #monotonic: () => number;
  #cached: { readonly at: number; readonly value: Promise<DeviceGeneral> } | undefined;

  constructor(identity: DeviceIdentity, monotonic: () => number) {
    this.#identity = identity;
    this.#monotonic = monotonic;
  }

  async read(): Promise<DeviceGeneral> {
    const now = this.#monotonic();
    if (this.#cached === undefined || now - this.#cached.at > FRESH_MS) {
      this.#cached = { at: now, value: this.#collect() };
    }
    return this.#cached.value;
  }

  /** Makes the next read a fresh one. */
  forget(): void {
    this.#cached = undefined;
  }

  async #collect(): Promise<DeviceGeneral> {
    const [disk, bios] = await Promise.all([systemDisk(), biosVersion()]);
    return {
      type: 'general',
      hostName: hostname(),
      modelName: this.#identity.modelName,
      serialNumber: this.#identity.serialNumber,
      thingsproVersion: version,
      firmwareVersion: this.#identity.firmwareVersion,
      biosVersion: bios,
      lastRebootTime: new Date(Date.now() - uptime() * 1000).toISOString(),
      memorySize: totalmem(),
      cpu: cpus()[0]?.model ?? '',
      disk: [disk],
    };
  }
}
