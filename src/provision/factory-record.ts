import { readFile } from 'node:fs/promises';
import { TpeError, reasonOf } from '../common/errors/tpe-error';
import { parseCsv } from './csv';
import { endorsementKeyProblem } from './tpm/public-area';

/** What the factory wrote down about one gateway; only the serial number is always there. */
export interface FactoryEntry {
  readonly line: number;
  readonly serialNumber: string;
  readonly mac?: string;
  readonly modelName?: string;
  readonly registrationId?: string;
  /** Base64 of the whole TPM2B_PUBLIC. */
  readonly endorsementKey?: string;
  /** Base64 SHA-256 of the TLS key's SubjectPublicKeyInfo. */
  readonly keySha256?: string;
  /** Initial password of this very unit. */
  readonly password?: string;
}

/** Spellings of headers that occur in factory records and in Moxa's tool, lower case without blanks and dots. */
const HEADERS: Readonly<Record<string, keyof Omit<FactoryEntry, 'line'>>> = {
  serialnumber: 'serialNumber',
  serialno: 'serialNumber',
  serial: 'serialNumber',
  mac: 'mac',
  macaddress: 'mac',
  modelname: 'modelName',
  model: 'modelName',
  registrationid: 'registrationId',
  endorsementkey: 'endorsementKey',
  endorcementkey: 'endorsementKey',
  ek: 'endorsementKey',
  keysha256: 'keySha256',
  tlskeysha256: 'keySha256',
  password: 'password',
  initialpassword: 'password',
};

const FIELD_PROBLEMS: Partial<Record<keyof FactoryEntry, (value: string) => string | undefined>> = {
  serialNumber: (value) => (/^[\x21-\x7e]{1,64}$/.test(value) ? undefined : 'it has no serial number'),
  mac: (value) => (/^[0-9a-f]{12}$/.test(value) ? undefined : 'the MAC is not twelve hexadecimal digits'),
  registrationId: (value) =>
    /^[a-z0-9-]{1,128}$/.test(value)
      ? undefined
      : 'the registration ID is not 1 to 128 lower-case letters, digits and dashes',
  endorsementKey: (value) => {
    const problem = endorsementKeyProblem(value);
    return problem === undefined ? undefined : `the endorsement key is not usable: ${problem}`;
  },
  keySha256: (value) =>
    /^[A-Za-z0-9+/]{43}=$/.test(value) ? undefined : 'the TLS key fingerprint is not base64 of 32 bytes',
};

function entryOf(line: number, values: Readonly<Record<string, string>>, path: string): FactoryEntry {
  const entry: Record<string, string> = { serialNumber: '' };
  for (const [header, value] of Object.entries(values)) {
    const name = HEADERS[header.toLowerCase().replace(/[\s._-]/g, '')];
    if (name === undefined || value === '') continue;
    entry[name] = name === 'mac' ? value.toLowerCase().replace(/[:.-]/g, '') : value;
  }
  for (const [name, problem] of Object.entries(FIELD_PROBLEMS)) {
    const value = entry[name];
    const reason = value === undefined ? undefined : problem(value);
    if (reason !== undefined)
      throw new TpeError('VALUE_INVALID', { what: path, place: `line ${line}`, reason });
  }
  return { ...entry, line } as unknown as FactoryEntry;
}

/**
 * Reads a factory record: CSV with a header line. Unknown columns are ignored.
 * @throws FILE_READ_FAILED, VALUE_INVALID with the line of the mistake.
 */
export async function loadFactoryRecord(path: string): Promise<FactoryEntry[]> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new TpeError('FILE_READ_FAILED', { path, reason: reasonOf(error) }, { cause: error });
  }
  const entries = parseCsv(text, path).map(({ line, values }) => entryOf(line, values, path));
  if (entries.length === 0) {
    throw new TpeError('VALUE_INVALID', { what: path, place: 'line 1', reason: 'it holds no gateway' });
  }
  return entries;
}
