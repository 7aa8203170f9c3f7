import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Type } from '@sinclair/typebox';
import { readDeviceIdentity } from '../../agent/device/identity';
import { FactoryRecord, factoryInit } from '../../agent/local/factory-init';
import { finishFactoryReset, requestFactoryReset } from '../../agent/local/factory-reset';
import { TpeError, codeOf, reasonOf } from '../../common/errors/tpe-error';
import { validate } from '../../common/validate';
import { asOwnerOf } from '../as-owner';
import { confirmReset } from '../confirm';
import { recordName, writeRecord } from '../factory-record';
import { columns, print } from '../output';
import { type Session, ask } from '../session';

export interface FactoryInitOptions {
  /** Folder for record and label. */
  readonly output: string;
  readonly renewPassword: boolean;
  readonly withoutTpm: boolean;
}

/** The record of an earlier run in the same folder: its password is the one on the label. */
async function earlierRecord(path: string): Promise<FactoryRecord | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined;
    throw new TpeError('FILE_READ_FAILED', { path, reason: reasonOf(error) }, { cause: error });
  }
  try {
    return validate(FactoryRecord, JSON.parse(text), path);
  } catch (error) {
    throw new TpeError('FILE_READ_FAILED', { path, reason: reasonOf(error) }, { cause: error });
  }
}

export async function init(session: Session, options: FactoryInitOptions): Promise<number> {
  const folder = resolve(options.output);
  const { device, paths } = session.settings;
  const { serialNumber } = await asOwnerOf(paths.state, () => readDeviceIdentity(device));
  const earlier = await earlierRecord(join(folder, recordName(serialNumber)));
  const args = {
    renewPassword: options.renewPassword,
    withoutTpm: options.withoutTpm,
    ...(earlier === undefined || earlier.initialPassword === ''
      ? {}
      : { knownPassword: earlier.initialPassword }),
  };
  const { value: record } = await ask(session, FactoryRecord, 'factoryInit', args, (dependencies) =>
    factoryInit(dependencies, args),
  );
  const files = await writeRecord(folder, record);
  // The password is in the files, which are the owner's alone; a terminal's scroll-back is not.
  const { initialPassword, ...shown } = record;
  print(session, { ...shown, files }, () =>
    columns([
      ['serial number', record.serialNumber],
      ['registration ID', record.registrationId],
      ['endorsement key', record.ekName === '' ? 'none' : `name ${record.ekName}`],
      [
        'initial password',
        initialPassword === '' ? 'kept from an earlier run, not known any more' : 'in the record',
      ],
      ...files.map((path): [string, string] => ['written', path]),
    ]),
  );
  return 0;
}

/** A running agent resets itself when it starts again; without one the reset is done when the command returns. */
const ResetAnswer = Type.Object({ restarting: Type.Boolean() });

/** @param confirmed nobody is asked. Who wants JSON is a program, which has nobody to ask. */
export async function reset(session: Session, confirmed: boolean): Promise<number> {
  if (!confirmed && !session.json) {
    const { device, paths } = session.settings;
    await confirmReset((await asOwnerOf(paths.state, () => readDeviceIdentity(device))).serialNumber);
  }
  const { value } = await ask(session, ResetAnswer, 'factoryReset', {}, async () => {
    await requestFactoryReset(session.settings.paths);
    await finishFactoryReset(session.settings.paths);
    return { restarting: false };
  });
  print(session, value, () => [
    value.restarting ? 'The agent starts again and is as new then.' : 'The gateway is as new.',
  ]);
  return 0;
}
