/* The import directions of docs/architecture.md. */
const agent = (names) => `^src/agent/(${names})/`;

/** Folders of the agent from the lowest layer to the highest; a layer imports only from layers below it. */
const layers = [
  'system|config|device',
  'tpm|accounts|services|discovery',
  'provisioning|hub|local',
  'connection',
  'api',
];

const upward = layers.slice(0, -1).map((layer, i) => ({
  name: `layer-${i}-imports-upward`,
  comment: 'A lower layer of the agent must not know a higher one.',
  severity: 'error',
  from: { path: agent(layer) },
  to: { path: [agent(layers.slice(i + 1).join('|')), '^src/agent/(main|arguments|daemon|management|agent-tpm|control-handlers)'] },
}));

module.exports = {
  forbidden: [
    ...upward,
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'common-stands-alone',
      severity: 'error',
      from: { path: '^src/common/' },
      to: { path: '^src/(agent|agentctl|provision|emulator|protocol)/' },
    },
    {
      name: 'protocol-imports-common-only',
      severity: 'error',
      from: { path: '^src/protocol/' },
      to: { path: '^src/(agent|agentctl|provision|emulator)/' },
    },
    {
      name: 'utility-and-emulator-know-no-agent',
      severity: 'error',
      from: { path: '^src/(provision|emulator)/' },
      to: { path: '^src/(agent|agentctl)/' },
    },
    {
      name: 'utility-and-emulator-know-not-each-other',
      severity: 'error',
      from: { path: '^src/provision/' },
      to: { path: '^src/emulator/' },
    },
    {
      name: 'emulator-knows-no-utility',
      severity: 'error',
      from: { path: '^src/emulator/' },
      to: { path: '^src/provision/' },
    },
    {
      name: 'addon-only-behind-its-facade',
      comment: 'Validation lives in src/agent/tpm, so nothing else may load the addon.',
      severity: 'error',
      from: { pathNot: '^src/agent/tpm/' },
      to: { path: 'tpe_tpm' },
    },
    { name: 'not-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'no-dev-dependency-in-products',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev'], pathNot: '@types/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
};
