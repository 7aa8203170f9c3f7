import { join } from 'node:path';
import { type Check, finding, ok } from './types';

const SMALLEST_FREE_BYTES = 16 * 1024 * 1024;
const COMFORTABLE_FREE_BYTES = 128 * 1024 * 1024;

/** Root's files are fine when a person runs the agent; under systemd the service user owns them. */
const SERVICE_USER = 'tpe-agent';

const settingsFile: Check = {
  id: 'settings',
  title: 'Settings file',
  run({ settings }) {
    if (settings.tpm.identityKey === 'persistent') {
      return finding(
        'warning',
        'valid; the identity key is persistent at 0x81000100',
        'Keep tpm.identityKey = "wrapped" unless another program needs the persistent key: a failed registration cannot destroy a wrapped one.',
      );
    }
    return ok('valid');
  },
};

const folder: Check = {
  id: 'state-folder',
  title: 'State folder',
  async run({ machine, settings }) {
    const path = settings.paths.state;
    const found = await machine.stat(path);
    if (found?.kind !== 'folder') {
      return finding('fatal', `${path} does not exist`, 'systemd makes it: systemctl start tpe-agent.');
    }
    if ((found.mode & 0o077) !== 0) {
      return finding(
        'failed',
        `${path} is open to others (mode ${found.mode.toString(8)})`,
        `Close it: chmod 0700 ${path}`,
      );
    }
    const user = await machine.userId(SERVICE_USER);
    if (user !== undefined && found.uid !== user && found.uid !== 0) {
      return finding(
        'failed',
        `${path} belongs to user ${found.uid}, not to ${SERVICE_USER}`,
        `Give it back: chown -R ${SERVICE_USER}: ${path}`,
      );
    }
    return ok(`${path}, mode ${found.mode.toString(8)}`);
  },
};

const files: Check = {
  id: 'state-files',
  title: 'State files',
  async run({ machine, settings }) {
    const path = settings.paths.state;
    const names = (await machine.listFiles(path)).filter((name) => /\.(json|pem)(\.twin)?$/.test(name));
    const owner = (await machine.stat(path))?.uid;
    const wrong: string[] = [];
    for (const name of names) {
      const found = await machine.stat(join(path, name));
      if (found !== undefined && (found.uid !== owner || (found.mode & 0o077) !== 0)) wrong.push(name);
    }
    if (wrong.length > 0) {
      return finding(
        'failed',
        `wrong owner or mode: ${wrong.join(', ')}`,
        `Correct them: chown --reference=${path} ${path}/* && chmod 0600 ${path}/*.json* ${path}/*.pem`,
      );
    }
    return ok(names.length === 0 ? 'none yet' : `${names.length} files, owner and mode right`);
  },
};

const disk: Check = {
  id: 'disk',
  title: 'Free space',
  async run({ machine, settings }) {
    const free = await machine.freeBytes(settings.paths.state);
    if (free === undefined) {
      return finding('skipped', 'the state folder is not there', 'See the check "state-folder".');
    }
    const megabytes = `${Math.floor(free / 1024 / 1024)} MB free`;
    const advice = `Make room on the file system of ${settings.paths.state}: without it no setting can be saved.`;
    if (free < SMALLEST_FREE_BYTES) return finding('failed', megabytes, advice);
    if (free < COMFORTABLE_FREE_BYTES) return finding('warning', megabytes, advice);
    return ok(megabytes);
  },
};

const mount: Check = {
  id: 'read-only',
  title: 'File system of the state',
  async run({ machine, settings }) {
    const probe = await machine.run('findmnt', ['-n', '-o', 'OPTIONS,FSTYPE', '-T', settings.paths.state]);
    if (probe?.status !== 0) {
      return finding('skipped', 'findmnt does not know it', 'Install util-linux.');
    }
    const [options = '', type = ''] = probe.output.trim().split(/\s+/);
    if (options.split(',').includes('ro')) {
      return finding(
        'failed',
        'mounted read-only',
        'Look for file system errors (dmesg) and mount it writable: no setting can be saved.',
      );
    }
    if (type === 'tmpfs' || type === 'ramfs') {
      return finding(
        'warning',
        `the state is on ${type} and is lost at power off`,
        'Put paths.state on a disk.',
      );
    }
    return ok(`${type}, writable`);
  },
};

export const stateChecks: readonly Check[] = [settingsFile, folder, files, disk, mount];
