import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Type } from '@sinclair/typebox';
import { StateFile } from '../../../src/common/fs/state-file';
import { withTempFolder } from '../../support/temp';

const Schema = Type.Object({ hub: Type.String(), count: Type.Integer() });

const open = (folder: string): StateFile<typeof Schema> => new StateFile(join(folder, 'state.json'), Schema);

describe('a state file', () => {
  it('is undefined before the first save', () =>
    withTempFolder(async (folder) => {
      expect(await open(folder).load()).toBeUndefined();
    }));

  it('gives back what was saved, to another process too', () =>
    withTempFolder(async (folder) => {
      await open(folder).save({ hub: 'a', count: 1 });
      expect(await open(folder).load()).toEqual({ hub: 'a', count: 1 });
    }));

  it('is readable by its owner only', () =>
    withTempFolder(async (folder) => {
      await open(folder).save({ hub: 'a', count: 1 });
      for (const name of await readdir(folder)) {
        expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
      }
    }));

  it('survives the main file cut at every byte: the twin of the same generation is used and the main file mended', () =>
    withTempFolder(async (folder) => {
      const path = join(folder, 'state.json');
      const writer = open(folder);
      await writer.save({ hub: 'old', count: 1 });
      await writer.save({ hub: 'new', count: 2 });
      const whole = await readFile(path, 'utf8');
      for (let length = 0; length < whole.length; length += 1) {
        await writeFile(path, whole.slice(0, length));
        expect(await open(folder).load()).toEqual({ hub: 'new', count: 2 });
        expect((await readFile(path, 'utf8')).trimEnd()).toBe(whole.trimEnd());
      }
    }));

  it('survives the twin cut at every byte', () =>
    withTempFolder(async (folder) => {
      const twin = join(folder, 'state.json.twin');
      await open(folder).save({ hub: 'a', count: 1 });
      const whole = await readFile(twin, 'utf8');
      for (let length = 0; length < whole.length; length += 7) {
        await writeFile(twin, whole.slice(0, length));
        expect(await open(folder).load()).toEqual({ hub: 'a', count: 1 });
        expect(await readFile(twin, 'utf8')).toBe(whole);
      }
    }));

  it('notices a flipped digit by its checksum', () =>
    withTempFolder(async (folder) => {
      const path = join(folder, 'state.json');
      await open(folder).save({ hub: 'a', count: 1 });
      const text = await readFile(path, 'utf8');
      await writeFile(path, text.replace('"count":1', '"count":7'));
      expect(await open(folder).load()).toEqual({ hub: 'a', count: 1 });
    }));

  it('refuses to start as new when both copies are damaged, and says which file', () =>
    withTempFolder(async (folder) => {
      await open(folder).save({ hub: 'a', count: 1 });
      await writeFile(join(folder, 'state.json'), '');
      await writeFile(join(folder, 'state.json.twin'), '{"format":1');
      await expect(open(folder).load()).rejects.toMatchObject({
        code: 'STATE_DAMAGED',
        message: expect.stringContaining(join(folder, 'state.json')) as string,
      });
    }));

  it('is damaged, not new, when the only copy left is garbage', () =>
    withTempFolder(async (folder) => {
      await writeFile(join(folder, 'state.json'), 'garbage');
      await expect(open(folder).load()).rejects.toMatchObject({ code: 'STATE_DAMAGED' });
    }));

  it('keeps the order of saves that overlap', () =>
    withTempFolder(async (folder) => {
      const file = open(folder);
      await Promise.all(Array.from({ length: 20 }, (_, count) => file.save({ hub: 'a', count })));
      expect(await open(folder).load()).toEqual({ hub: 'a', count: 19 });
      const [main, twin] = await Promise.all(
        ['state.json', 'state.json.twin'].map((name) => readFile(join(folder, name), 'utf8')),
      );
      expect(twin).toBe(main);
    }));

  it('is never mended to an older state by a load that meets a save, of another object of the process too', () =>
    withTempFolder(async (folder) => {
      const file = open(folder);
      const loads = async (reader: () => StateFile<typeof Schema>): Promise<void> => {
        for (let i = 0; i < 6; i += 1) await reader().load();
      };
      for (let count = 0; count < 100; count += 1) {
        await Promise.all([file.save({ hub: 'a', count }), loads(() => file), loads(() => open(folder))]);
        const [main, twin] = await Promise.all(
          ['state.json', 'state.json.twin'].map((name) => readFile(join(folder, name), 'utf8')),
        );
        expect(main).toContain(`"count":${count}}`);
        expect(twin).toBe(main);
      }
    }));

  it('leaves the old value when a save fails, and recovers', () =>
    withTempFolder(async (folder) => {
      const file = open(folder);
      await file.save({ hub: 'a', count: 1 });
      await expect(file.save({ hub: 'a', count: 1.5 })).rejects.toMatchObject({ code: 'VALUE_INVALID' });
      expect(await open(folder).load()).toEqual({ hub: 'a', count: 1 });
      await file.save({ hub: 'b', count: 2 });
      expect(await open(folder).load()).toEqual({ hub: 'b', count: 2 });
    }));

  it('tells a folder that is not there as a write error and leaves no temporary behind', () =>
    withTempFolder(async (folder) => {
      const file = new StateFile(join(folder, 'absent', 'state.json'), Schema);
      await expect(file.save({ hub: 'a', count: 1 })).rejects.toMatchObject({ code: 'FILE_WRITE_FAILED' });
      await mkdir(join(folder, 'absent'));
      expect(await readdir(join(folder, 'absent'))).toEqual([]);
    }));
});
