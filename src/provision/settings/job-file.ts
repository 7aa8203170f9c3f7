import { readFile } from 'node:fs/promises';
import { type Static, Type } from '@sinclair/typebox';
import { parse } from 'yaml';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import { validate } from '../../common/validate';
import { EnrollmentOptions } from '../dps/enrollment';
import { REQUIREMENTS, type Requirement } from '../flow/job';

const Text = Type.String({ minLength: 1, maxLength: 1024 });
const closed = { additionalProperties: false };

/** A job file, YAML or JSON: every setting that a flag has, and what is too long for flags. */
export const JobFile = Type.Object(
  {
    dps: Type.Optional(
      Type.Object(
        {
          endpoint: Type.Optional(Text),
          policyName: Type.Optional(Text),
          policyKeyFile: Type.Optional(Text),
          ca: Type.Optional(Text),
          idScope: Type.Optional(Text),
          globalEndpoint: Type.Optional(Text),
        },
        closed,
      ),
    ),
    gateways: Type.Optional(
      Type.Object(
        {
          user: Type.Optional(Text),
          passwordFile: Type.Optional(Text),
          newPasswordFile: Type.Optional(Text),
          newPasswordList: Type.Optional(Text),
          vault: Type.Optional(Text),
          vaultKeyFile: Type.Optional(Text),
          trustOnFirstUse: Type.Optional(Type.Boolean()),
          ekRoots: Type.Optional(Text),
          require: Type.Optional(
            Type.Array(Type.Unsafe<Requirement>(Type.Union(REQUIREMENTS.map((name) => Type.Literal(name))))),
          ),
          from: Type.Optional(Text),
        },
        closed,
      ),
    ),
    discovery: Type.Optional(
      Type.Object(
        {
          targets: Type.Optional(Type.Array(Text, { maxItems: 10_000 })),
          port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_535 })),
          seconds: Type.Optional(Type.Number({ minimum: 0.1, maximum: 600 })),
        },
        closed,
      ),
    ),
    journal: Type.Optional(Text),
    reports: Type.Optional(Type.Array(Text, { maxItems: 10 })),
    until: Type.Optional(
      Type.Union([
        Type.Literal('collected'),
        Type.Literal('enrolled'),
        Type.Literal('configured'),
        Type.Literal('connected'),
      ]),
    ),
    registrationId: Type.Optional(Text),
    enrollment: Type.Optional(EnrollmentOptions),
    services: Type.Optional(
      Type.Object(
        { enable: Type.Optional(Type.Array(Text)), disable: Type.Optional(Type.Array(Text)) },
        closed,
      ),
    ),
    concurrency: Type.Optional(Type.Integer({ minimum: 1, maximum: 512 })),
    connectTimeoutSeconds: Type.Optional(Type.Number({ minimum: 1, maximum: 86_400 })),
  },
  closed,
);
export type JobFile = Static<typeof JobFile>;

/** @throws FILE_READ_FAILED, VALUE_INVALID with the place of the mistake. */
export async function loadJobFile(path: string): Promise<JobFile> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new TpeError('FILE_READ_FAILED', { path, reason: reasonOf(error) }, { cause: error });
  }
  let value: unknown;
  try {
    value = parse(text);
  } catch (error) {
    throw new TpeError(
      'VALUE_INVALID',
      { what: path, place: '/', reason: reasonOf(error) },
      { cause: error },
    );
  }
  return validate(JobFile, value ?? {}, path);
}
