// Installed size of agent and addons beside the Azure packages that an integrator would install instead.
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { compare } from '../lib/figure.mjs';
import { root } from '../lib/rig.mjs';
import { target } from '../lib/target.mjs';

const MB = 1e6;
const LIMIT_MB = 5;
/** Size of azure-iot-device, -mqtt, -provisioning-device and -security-tpm with all they need (239 packages), measured once. */
const PEER_MB = 84;

function sizeOf(path) {
  const info = statSync(path);
  if (!info.isDirectory()) return info.size;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name)), 0);
}

export function run() {
  const files = [
    'tpe-agent.cjs',
    'tpe-agent.code.cjs',
    'tpe-agentctl.cjs',
    'tpe_tpm.node',
    'tpe_system.node',
  ];
  const folderOf = (name) => (name.endsWith('.node') ? target.addons : undefined) ?? join(root, 'dist');
  const value = files.reduce((sum, name) => sum + sizeOf(join(folderOf(name), name)), 0) / MB;
  return { 'size.agent': compare([value], [PEER_MB], { unit: 'MB', bar: LIMIT_MB / PEER_MB }) };
}
