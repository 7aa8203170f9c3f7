import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { loadSettings, parseSettings } from '../../../src/agent/config/settings';
import { SettingsSchema } from '../../../src/agent/config/settings-schema';
import { withTempFolder } from '../../support/temp';

const commented = readFileSync(join(__dirname, '../../../systemd/config.toml'), 'utf8');

describe('the settings file', () => {
  it('fills in the defaults', () => {
    expect(parseSettings('', 'config.toml')).toMatchObject({
      paths: { state: '/var/lib/tpe-agent' },
      api: { address: '::', port: 8443 },
      discovery: { port: 40404 },
      tpm: { ekTemplate: 'tcg', identityKey: 'wrapped' },
      azure: { reprovision: 'dynamic', dpsHosts: [] },
    });
  });

  it('names line and column of what is not TOML', () => {
    expect(() => parseSettings('[api]\nport = = 5\n', 'config.toml')).toThrow(
      /^config\.toml:2:\d+: this is not TOML/,
    );
  });

  it.each([
    ['[api]\nport = 70000\n', 'config.toml:2: api.port'],
    ['[api]\nport = "8443"\n', 'config.toml:2: api.port'],
    ['[api]\n\nprot = 1\n', 'config.toml:3: api.prot: there is no such key'],
    ['[apo]\nport = 1\n', 'config.toml:1: apo: there is no such key'],
    ['[device]\nserialNumber = "a b"\n', 'config.toml:2: device.serialNumber'],
    ['[tpm]\ntcti = "x"\nekTemplate = "rsa"\n', 'config.toml:3: tpm.ekTemplate'],
    ['[paths]\nstate = "relative"\n', 'config.toml:2: paths.state'],
    ['[azure]\ndpsHosts = [\n  "ok",\n  5,\n]\n', 'config.toml:2: azure.dpsHosts'],
    ['[tpm]\n\n"a(b" = 1\n', 'config.toml:3: tpm.a(b: there is no such key'],
    ['"[" = 1\n', 'config.toml:1: [: there is no such key'],
    ['[azure]\nhubGateway = "edge:99999"\n', 'config.toml:2: azure.hubGateway: the port'],
    ['[azure]\ndpsHosts = ["ok", "edge:0"]\n', 'config.toml:2: azure.dpsHosts: the port'],
    ['[azure]\nproxy = "http://"\n', 'config.toml:2: azure.proxy: need http://'],
    ['[azure]\nproxy = "http://user:100%@proxy:3128"\n', 'config.toml:2: azure.proxy: need http://'],
    ['[azure]\nproxy = "http://proxy:99999"\n', 'config.toml:2: azure.proxy: need http://'],
  ])('names line and key of a mistake: %j', (text, place) => {
    expect(() => parseSettings(text, 'config.toml')).toThrow(place);
  });

  it('may be missing at its default place only', async () => {
    await withTempFolder(async (folder) => {
      const path = join(folder, 'config.toml');
      await expect(loadSettings(path)).rejects.toMatchObject({ code: 'SETTINGS_UNREADABLE' });
      await writeFile(path, '[log]\nlevel = "debug"\n');
      expect((await loadSettings(path)).log.level).toBe('debug');
    });
  });

  it('is documented: the commented default file is valid and shows every key', () => {
    const uncommented = commented.replace(/^#(\w+ = )/gm, '$1');
    expect(() => parseSettings(uncommented, 'config.toml')).not.toThrow();
    const shown = parse(uncommented) as Record<string, Record<string, unknown>>;
    for (const [section, schema] of Object.entries(SettingsSchema.properties)) {
      expect(Object.keys(shown[section]!).sort()).toEqual(Object.keys(schema.properties).sort());
    }
  });

  it('as it is shipped, sets nothing', () => {
    expect(parseSettings(commented, 'config.toml')).toEqual(parseSettings('', 'config.toml'));
  });
});
