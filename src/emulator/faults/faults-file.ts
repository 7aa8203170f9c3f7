import { readFile } from 'node:fs/promises';
import { Type } from '@sinclair/typebox';
import { parse } from 'yaml';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import { validate } from '../../common/validate';
import { FaultRule } from './faults';

/** A list of fault rules in YAML or JSON. @throws EMU_OPTION_INVALID */
export async function readFaultsFile(path: string): Promise<FaultRule[]> {
  try {
    const rules: unknown = parse(await readFile(path, 'utf8'));
    return validate(Type.Array(FaultRule, { maxItems: 1000 }), rules, path);
  } catch (error) {
    throw new TpeError(
      'EMU_OPTION_INVALID',
      { option: '--faults', reason: reasonOf(error) },
      { cause: error },
    );
  }
}
