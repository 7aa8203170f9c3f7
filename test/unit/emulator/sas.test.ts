import fc from 'fast-check';
import { audience, parseSas, signedBy } from '../../../src/emulator/sas/sas';
import { sasToken } from '../../support/azure-client';

const key = Buffer.alloc(32, 7);

test('a token is read into its parts', () => {
  const token = parseSas(sasToken('0ne1/registrations/Dev', key, { keyName: 'registration' }));
  expect(token).toMatchObject({ resource: '0ne1%2Fregistrations%2FDev', keyName: 'registration' });
  expect(audience(token!)).toBe('0ne1/registrations/dev');
  expect(signedBy(token!, key)).toBe(true);
  expect(signedBy(token!, Buffer.alloc(32))).toBe(false);
});

test('the signature covers the audience as it was sent, in whatever case its escapes are', () => {
  const sent = sasToken('a/b', key);
  const other = parseSas(sent.replace('%2F', '%2f'));
  expect(audience(other!)).toBe('a/b');
  expect(signedBy(other!, key)).toBe(false);
});

test.each([
  ['nothing', ''],
  ['another scheme', 'Bearer abc'],
  ['no signature', 'SharedAccessSignature sr=a&se=1'],
  ['no audience', 'SharedAccessSignature sig=AAAA&se=1'],
  ['no expiry', 'SharedAccessSignature sr=a&sig=AAAA'],
  ['an expiry that is no number', 'SharedAccessSignature sr=a&sig=AAAA&se=soon'],
  ['a negative expiry', 'SharedAccessSignature sr=a&sig=AAAA&se=-1'],
  ['a field twice', 'SharedAccessSignature sr=a&sig=AAAA&se=1&se=2'],
  ['a field without a name', 'SharedAccessSignature sr=a&sig=AAAA&se=1&=x'],
  ['an escape that is none', 'SharedAccessSignature sr=a&sig=%ZZ&se=1'],
  ['more than 4 KB', `SharedAccessSignature sr=${'a'.repeat(5000)}&sig=AAAA&se=1`],
])('a token with %s is none', (_what, text) => {
  expect(parseSas(text)).toBeUndefined();
});

test('whatever text comes in, reading it never throws', () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      const token = parseSas(`SharedAccessSignature ${text}`);
      if (token !== undefined) audience(token);
    }),
  );
});
