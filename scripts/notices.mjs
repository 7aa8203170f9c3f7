// Writes THIRD-PARTY-NOTICES.txt and a CycloneDX SBOM of what is inside the bundles, from the bundler's metafile:
// node scripts/notices.mjs [OUTPUT-FOLDER]
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..');
const output = resolve(process.argv[2] ?? join(root, 'dist'));
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** Folder of the package that a bundled file belongs to: the innermost one of nested node_modules. */
function packageFolder(input) {
  const match = /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(input);
  return match?.[1];
}

/** Text of the licence that a package carries; its name where it carries none. */
function licenceText(folder, licence) {
  const file = readdirSync(folder).find((name) => /^(licen[cs]e|copying)(\.|$)/i.test(name));
  return file === undefined
    ? `Licence: ${licence} (the package carries no text)`
    : readFileSync(join(folder, file), 'utf8').trim();
}

function licenceOf(manifest) {
  if (typeof manifest.license === 'string') return manifest.license;
  if (typeof manifest.license?.type === 'string') return manifest.license.type;
  return manifest.licenses?.[0]?.type ?? 'NOASSERTION';
}

const metafile = readJson(join(root, 'dist/metafile.json'));
const self = readJson(join(root, 'package.json'));
const folders = new Set(
  Object.keys(metafile.inputs)
    .map(packageFolder)
    .filter((folder) => folder !== undefined),
);
// The addons are compiled against it: header-only code ends up in them.
folders.add('node_modules/node-addon-api');

const packages = [...folders]
  .map((folder) => ({ folder: join(root, folder), manifest: readJson(join(root, folder, 'package.json')) }))
  .filter(({ manifest }) => manifest.name !== undefined && manifest.version !== undefined)
  .map(({ folder, manifest }) => {
    const licence = licenceOf(manifest);
    return { name: manifest.name, version: manifest.version, licence, text: licenceText(folder, licence) };
  })
  .sort((a, b) => `${a.name}@${a.version}`.localeCompare(`${b.name}@${b.version}`, 'en'))
  .filter((each, i, all) => i === 0 || each.name !== all[i - 1].name || each.version !== all[i - 1].version);

const notices = [
  `${self.name} ${self.version} contains the following software.`,
  ...packages.map(
    ({ name, version, licence, text }) =>
      `${'='.repeat(78)}\n${name} ${version} (${licence})\n${'='.repeat(78)}\n${text}`,
  ),
].join('\n\n');

const purl = ({ name, version }) => `pkg:npm/${name.replace(/^@/, '%40')}@${version}`;
const components = packages.map((each) => ({
  type: 'library',
  'bom-ref': purl(each),
  name: each.name,
  version: each.version,
  purl: purl(each),
  licenses: [
    /^[A-Za-z0-9.+-]+$/.test(each.licence) ? { license: { id: each.licence } } : { expression: each.licence },
  ],
}));
// Same content, same serial number: a random one would make every build differ.
const digest = createHash('sha256').update(JSON.stringify(components)).digest('hex');
const serial = `${digest.slice(0, 8)}-${digest.slice(8, 12)}-5${digest.slice(13, 16)}-8${digest.slice(17, 20)}-${digest.slice(20, 32)}`;
const epoch = process.env.SOURCE_DATE_EPOCH;
const sbom = {
  bomFormat: 'CycloneDX',
  specVersion: '1.5',
  serialNumber: `urn:uuid:${serial}`,
  version: 1,
  metadata: {
    ...(epoch ? { timestamp: new Date(Number(epoch) * 1000).toISOString() } : {}),
    component: {
      type: 'application',
      'bom-ref': `${self.name}@${self.version}`,
      name: self.name,
      version: self.version,
      licenses: [{ license: { id: self.license } }],
    },
  },
  components: [
    ...components,
    {
      type: 'library',
      'bom-ref': 'tpm2-tss',
      name: 'tpm2-tss',
      scope: 'required',
      description: 'linked dynamically; version as installed',
    },
  ],
  dependencies: [
    { ref: `${self.name}@${self.version}`, dependsOn: components.map((each) => each['bom-ref']) },
  ],
};

if (!existsSync(output)) mkdirSync(output, { recursive: true });
writeFileSync(join(output, 'THIRD-PARTY-NOTICES.txt'), `${notices}\n`);
writeFileSync(join(output, 'sbom.cdx.json'), `${JSON.stringify(sbom, undefined, 2)}\n`);
