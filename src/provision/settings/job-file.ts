import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import { type Document, LineCounter, isNode, parseDocument } from 'yaml';
import { TpeError, reasonOf } from '../../common/errors/tpe-error';
import { validate } from '../../common/validate';
import { EnrollmentOptions } from '../dps/enrollment';
import { REQUIREMENTS, type Requirement } from '../trust/requirements';

const Text = Type.String({ minLength: 1, maxLength: 1024 });
const closed = { additionalProperties: false };

/** One REST call; `{placeholders}` in path and body are filled for each gateway. */
export const RestStep = Type.Object(
  {
    /** What the step is for; shown in the report. Moxa's step files name the part of the gateway here. */
    target: Type.Optional(Type.String({ maxLength: 256 })),
    description: Type.Optional(Type.String({ maxLength: 1024 })),
    /** With or without the API's base path. */
    path: Type.String({ pattern: '^/[\\x21-\\x7e]*$', maxLength: 1024 }),
    method: Type.Union(
      ['GET', 'PUT', 'POST', 'PATCH', 'DELETE', 'get', 'put', 'post', 'patch', 'delete'].map((verb) =>
        Type.Literal(verb),
      ),
    ),
    /** Body of the call. */
    post: Type.Optional(
      Type.Union([Type.Record(Type.String(), Type.Unknown()), Type.Null(), Type.Literal('')]),
    ),
    /** Only for gateways with one of these models. */
    models: Type.Optional(Type.Array(Text, { minItems: 1 })),
    /** Only for gateways with one of these serial numbers. */
    serials: Type.Optional(Type.Array(Text, { minItems: 1 })),
  },
  closed,
);
export type RestStep = Static<typeof RestStep>;

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
    hub: Type.Optional(
      Type.Object(
        {
          policyName: Type.Optional(Text),
          policyKeyFile: Type.Optional(Text),
          endpoint: Type.Optional(Text),
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
    steps: Type.Optional(Type.Array(RestStep, { maxItems: 200 })),
    concurrency: Type.Optional(Type.Integer({ minimum: 1, maximum: 512 })),
    connectTimeoutSeconds: Type.Optional(Type.Number({ minimum: 1, maximum: 86_400 })),
  },
  closed,
);
export type JobFile = Static<typeof JobFile>;

/** The part of a step file that Moxa's tool writes for "provision iot edge using dps". */
function fromStepFile(value: unknown): unknown {
  const { steps, ...rest } = value as { steps: unknown[] } & Record<string, unknown>;
  const isDps = (step: unknown): step is Record<string, string | boolean | object> =>
    typeof step === 'object' && step !== null && 'scopeId' in step && 'scope' in step;
  const dps = steps.find(isDps);
  if (dps === undefined) return value;
  const { scope, keyName, scopeId, iotHubHostName, initialTwin, enableIoTEdge } = dps;
  const twin = initialTwin as { tags?: object; properties?: { desired?: object } } | undefined;
  const known = (fields: Record<string, unknown>): Record<string, unknown> =>
    Object.fromEntries(Object.entries(fields).filter(([, field]) => field !== undefined && field !== ''));
  return {
    ...rest,
    // The policy key is left out on purpose: it comes from a file or the environment, like every secret.
    dps: known({ endpoint: scope, policyName: keyName, idScope: scopeId }),
    enrollment: known({
      iotHubHostName,
      tags: twin?.tags,
      desired: twin?.properties?.desired,
      iotEdge: enableIoTEdge,
    }),
    steps: steps.filter((step) => !isDps(step)),
  };
}

function isStepFile(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'steps' in value && Array.isArray(value.steps);
}

/** `line 12, column 5` of a JSON pointer; the nearest parent that is there when the place itself is missing. */
function placeOf(document: Document, lines: LineCounter, pointer: string): string {
  const path = pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  for (let length = path.length; length >= 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true);
    if (!isNode(node) || node.range == null) continue;
    const { line, col } = lines.linePos(node.range[0]);
    return `line ${line}, column ${col} (${pointer === '' ? '/' : pointer})`;
  }
  return pointer;
}

/** The first thing that is wrong, in words that fit it: TypeBox only says "Expected union value". */
function mistakeIn(value: unknown): { path: string; reason: string } | undefined {
  const error = Value.Errors(JobFile, value).First();
  if (error === undefined) return undefined;
  const name = error.path.split('/').at(-1) ?? '';
  const unknown = error.message === 'Unexpected property' ? `"${name}" is not known here` : undefined;
  return { path: error.path, reason: unknown ?? error.message };
}

/** Files that a job file names lie beside it, so that its folder can be carried to another computer. */
function besideJob(job: JobFile, folder: string): JobFile {
  const files = <T extends object>(section: T | undefined, ...names: (keyof T)[]): T | undefined => {
    if (section === undefined) return undefined;
    const changed = names.flatMap((name) => {
      const file = section[name];
      return typeof file === 'string' ? [[name, resolve(folder, file)]] : [];
    });
    return { ...section, ...(Object.fromEntries(changed) as Partial<T>) };
  };
  const { dps, hub, gateways, reports } = job;
  const sections = {
    dps: files(dps, 'policyKeyFile', 'ca'),
    hub: files(hub, 'policyKeyFile'),
    gateways: files(
      gateways,
      ...(['passwordFile', 'newPasswordFile', 'newPasswordList', 'vault', 'vaultKeyFile'] as const),
      ...(['ekRoots', 'from'] as const),
    ),
    reports: reports?.map((file) => resolve(folder, file)),
  };
  const given = Object.entries(sections).filter(([, section]) => section !== undefined);
  return { ...files(job, 'journal'), ...(Object.fromEntries(given) as Partial<JobFile>) };
}

/**
 * Reads a job file or a step file of Moxa's tool.
 * @throws FILE_READ_FAILED, VALUE_INVALID with line and column of the mistake.
 */
export async function loadJobFile(path: string): Promise<JobFile> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new TpeError('FILE_READ_FAILED', { path, reason: reasonOf(error) }, { cause: error });
  }
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [broken] = document.errors;
  if (broken !== undefined) {
    const { line, col } = lines.linePos(broken.pos[0]);
    const reason = broken.message.split('\n', 1)[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? '';
    throw new TpeError('VALUE_INVALID', { what: path, place: `line ${line}, column ${col}`, reason });
  }
  const raw: unknown = document.toJS() ?? {};
  const value = isStepFile(raw) ? fromStepFile(raw) : raw;
  const mistake = mistakeIn(value);
  if (mistake !== undefined) {
    const place = placeOf(document, lines, mistake.path);
    throw new TpeError('VALUE_INVALID', { what: path, place, reason: mistake.reason });
  }
  return besideJob(validate(JobFile, value, path), dirname(path));
}
