import type { CallApi } from './direct-methods';

/** What is told of `/device/general`; free disk space and the like change all the time and belong into telemetry. */
const GENERAL = [
  'hostName',
  'description',
  'modelName',
  'serialNumber',
  'thingsproVersion',
  'firmwareVersion',
  'biosVersion',
  'memorySize',
  'cpu',
] as const;

type Json = Record<string, unknown>;

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function pick(data: unknown, names: readonly string[]): Json {
  if (!isObject(data)) return {};
  return Object.fromEntries(
    names.filter((name) => data[name] !== undefined).map((name) => [name, data[name]]),
  );
}

/** The groups of `/system/services` as one object by id, which a twin can merge and a desired property can mirror. */
function servicesById(data: unknown): Json {
  if (!isObject(data)) return {};
  const items = Object.values(data).flatMap((group): unknown[] => (Array.isArray(group) ? group : []));
  return Object.fromEntries(
    items
      .filter(isObject)
      .map((item) => [String(item['id']), { enable: item['enable'], available: item['available'] }]),
  );
}

/** Section of the twin, where it comes from, and what of it is told. */
const SECTIONS: readonly [name: string, path: string, tell: (data: unknown) => unknown][] = [
  ['general', '/device/general', (data) => pick(data, GENERAL)],
  ['discovery', '/system/discovery', (data) => data],
  ['httpserver', '/system/httpserver', (data) => data],
  ['sshserver', '/system/sshserver', (data) => data],
  ['services', '/system/services', servicesById],
];

/**
 * The sections that ThingsPro Edge reports to the twin, read from the REST API, and `agent`.
 * @param callApi with the permissions of a viewer.
 * @param agent what is told of the agent itself.
 * @returns without the sections that this gateway's API does not answer with 200.
 */
export async function twinSections(callApi: CallApi, agent: object): Promise<Json> {
  const sections: Json = {};
  for (const [name, path, tell] of SECTIONS) {
    const { status, payload } = await callApi({ method: 'GET', path });
    if (status === 200 && isObject(payload)) sections[name] = tell(payload['data']);
  }
  return { ...sections, agent };
}
