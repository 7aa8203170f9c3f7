import fc from 'fast-check';
import type { JsonObject } from '../../../src/emulator/hub/device-record';
import { merge, newTwin, patchDesired, patchReported, patchTags } from '../../../src/emulator/hub/twin';

test('null removes, objects merge, arrays and values replace', () => {
  const before = { a: 1, b: { c: 2, d: [1, 2] }, e: { f: 1 } };
  expect(merge(before, { a: null, b: { d: [3] }, e: 5, g: { h: null, i: 1 } })).toEqual({
    b: { c: 2, d: [3] },
    e: 5,
    g: { i: 1 },
  });
});

test('a twin that takes a patch and its removal is as before', () => {
  const keys = fc.stringMatching(/^[a-z]{1,5}$/);
  fc.assert(
    fc.property(fc.dictionary(keys, fc.integer()), fc.dictionary(keys, fc.integer()), (base, patch) => {
      const fresh = Object.fromEntries(Object.entries(patch).filter(([key]) => !(key in base)));
      const removal = Object.fromEntries(Object.keys(fresh).map((key) => [key, null]));
      expect(merge(merge(base, fresh), removal)).toEqual(base);
    }),
  );
});

test('merging twice is merging once', () => {
  const json = fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), fc.jsonValue({ maxDepth: 3 }));
  fc.assert(
    fc.property(json, json, (base, patch) => {
      const once = merge(base, patch);
      expect(merge(once, patch as JsonObject)).toEqual(once);
    }),
  );
});

test('every change counts its own version and the version of the twin', () => {
  const one = patchReported(newTwin(), { a: 1 });
  const two = patchDesired(one, { b: 1 });
  const three = patchTags(two, { c: 1 });
  expect(three).toMatchObject({ version: 4, reportedVersion: 2, desiredVersion: 2 });
  expect(patchDesired(three, { d: 1 }, true).desired).toEqual({ d: 1 });
});

test.each([['.'], ['$'], [' '], ['\n'], ['\u0085'], ['']])('a key with %j is refused', (sign) => {
  const key = sign === '' ? '' : `a${sign}b`;
  expect(() => patchReported(newTwin(), { nested: { [key]: 1 } })).toThrow(
    expect.objectContaining({ code: 'EMU_REFUSED' }) as Error,
  );
});
