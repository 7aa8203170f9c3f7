// Prints the Depends of cross-built addons: cross-depends.mjs WORK-FOLDER TRIPLET
// dpkg-shlibdeps wants the target's libraries installed; here they are only unpacked, so the packages that provide
// the needed libraries are looked up in the unpacked .deb files.
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const [work, triplet] = process.argv.slice(2);
const run = (program, ...args) =>
  execFileSync(program, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
const addons = ['tpe_tpm.node', 'tpe_system.node'].map((name) => join(work, name));

const needed = new Set(
  addons.flatMap((path) =>
    [...run(`${triplet}-objdump`, '-p', path).matchAll(/NEEDED\s+(\S+)/g)].map((m) => m[1]),
  ),
);

/** The dynamic loader comes with libc6. */
const LOADER = /^ld-linux/;
const KNOWN =
  /^(libtss2-(esys|mu|tctildr|rc|sys)\.so\.\d+|libstdc\+\+\.so\.6|libgcc_s\.so\.1|libm\.so\.6|libc\.so\.6|libpthread\.so\.0|libdl\.so\.2|libatomic\.so\.1)$/;
const unexpected = [...needed].filter((name) => !LOADER.test(name) && !KNOWN.test(name));
if (unexpected.length > 0)
  throw new Error(`the addons need libraries that they should not: ${unexpected.join(', ')}`);

/** Highest version of `prefix` symbols that the addons use, e.g. GLIBC 2.34. */
function highest(prefix) {
  const versions = addons.flatMap((path) =>
    [
      ...run(`${triplet}-objdump`, '-T', path).matchAll(
        new RegExp(`\\(?${prefix}_(\\d+(?:\\.\\d+)+)\\)?`, 'g'),
      ),
    ].map((m) => m[1]),
  );
  const parts = (text) => text.split('.').map(Number);
  return versions
    .sort((a, b) => {
      const [x, y] = [parts(a), parts(b)];
      for (let i = 0; i < 3; i++) if ((x[i] ?? 0) !== (y[i] ?? 0)) return (x[i] ?? 0) - (y[i] ?? 0);
      return 0;
    })
    .at(-1);
}

const depends = new Map();
for (const deb of readdirSync(join(work, 'debs')).sort()) {
  const path = join(work, 'debs', deb);
  const files = run('dpkg-deb', '-c', path);
  const provided = [...needed].filter((name) => files.includes(`/${name} `) || files.includes(`/${name}\n`));
  if (provided.length === 0) continue;
  const [name, version] = run('dpkg-deb', '-f', path, 'Package', 'Version')
    .split('\n')
    .map((line) => line.replace(/^\w+: /, ''));
  depends.set(name, version);
}

const upstream = (version) =>
  version
    .replace(/^\d+:/, '')
    .replace(/-[^-]*$/, '')
    .replace(/\+.*$/, '');
const lines = [...depends].map(([name, version]) => {
  if (name === 'libc6') return `libc6 (>= ${highest('GLIBC') ?? '2.31'})`;
  if (name === 'libstdc++6') return 'libstdc++6 (>= 10)';
  return name.startsWith('libtss2') ? `${name} (>= ${upstream(version)})` : name;
});
// The TCTI is loaded at run time, so no symbol names it. Its package got another name with 64-bit time_t.
const t64 = [...depends.keys()].some((name) => name.endsWith('t64') && name.startsWith('libtss2'));
lines.push(t64 ? 'libtss2-tcti-device0t64' : 'libtss2-tcti-device0');
console.log(lines.sort().join(', '));
