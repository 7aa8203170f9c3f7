import { join } from 'node:path';
import { readCatalogue } from '../../../src/agent/services/catalogue-files';
import { REFERENCE_SERVICES } from '../../../src/agent/services/reference-services';

test('every catalogue file of the package is valid, and its id is in the group of the reference', async () => {
  const entries = await readCatalogue([join(__dirname, '../../../systemd/services.d')]);
  expect([...entries.keys()].sort()).toEqual([
    'cellular',
    'localconsole',
    'ntp',
    'sshserver',
    'syslog',
    'wifi',
  ]);
  for (const { id, group } of entries.values()) expect(REFERENCE_SERVICES[group]).toContain(id);
});
