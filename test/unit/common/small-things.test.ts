import fc from 'fast-check';
import { Type } from '@sinclair/typebox';
import { fullJitter } from '../../../src/common/backoff';
import { delay, systemClock } from '../../../src/common/clock';
import { createLogger } from '../../../src/common/logger';
import { redact } from '../../../src/common/redact';
import { validate } from '../../../src/common/validate';

describe('full jitter', () => {
  const options = { baseMs: 1000, capMs: 300_000 };

  it('stays between nothing and the exponential ceiling, and the cap', () => {
    fc.assert(
      fc.property(
        fc.nat(100),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (attempt, random) => {
          const wait = fullJitter(attempt, options, () => random);
          expect(wait).toBeGreaterThanOrEqual(0);
          expect(wait).toBeLessThanOrEqual(Math.min(300_000, 1000 * 2 ** attempt));
        },
      ),
    );
  });

  it('uses the whole width, so that gateways do not stay in step', () => {
    const waits = Array.from({ length: 4000 }, () => fullJitter(3, options));
    const perQuarter = [0, 0, 0, 0];
    for (const wait of waits) perQuarter[Math.min(3, Math.floor(wait / 2000))]! += 1;
    for (const count of perQuarter) expect(count).toBeGreaterThan(800);
  });
});

describe('redaction', () => {
  it.each([
    ['SharedAccessSignature sr=a&sig=abc%3D&se=1', 'abc'],
    ['HostName=h;SharedAccessKey=c2VjcmV0;x', 'c2VjcmV0'],
    ['Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2ln', 'c2ln'],
    ['{"password":"hunter22"}', 'hunter22'],
    ['proxy http://user:pa55@proxy:3128', 'pa55'],
    ['token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOjF9.c2ln in a sentence', 'eyJzdWIiOjF9'],
    ['proxy = "http://:pa55@proxy:3128"', 'pa55'],
    ['proxy = "http://user:pa@ssw0rd@proxy:3128"', 'ssw0rd'],
    ['SetCredential=tpm-owner-auth:hunter22', 'hunter22'],
    [JSON.stringify({ initialPassword: 'Xk7u-Pq3m' }), 'Xk7u'],
    [JSON.stringify({ ownerAuth: 'hunter22' }), 'hunter22'],
    ['a password with a quote in it: {"password":"a\\"hunter22"}', 'hunter22'],
    [JSON.stringify({ msg: JSON.stringify({ newPassword: 'a"hunter22' }) }), 'hunter22'],
    ['an answer that was cut off: {"password":"hunter22', 'hunter22'],
  ])('hides the secret in %s', (text, secret) => {
    expect(redact(text)).not.toContain(secret);
  });

  it('leaves other text alone', () => {
    const text = 'registration taicb1046771 assigned to hub.azure-devices.net after 3 s';
    expect(redact(text)).toBe(text);
  });

  it.each(['\\', '"key":"', 'https://a:', 'https://a:@', '\\"key\\":\\"'])(
    'takes no longer for a line that is made to slow it down: %j',
    (piece) => {
      const start = performance.now();
      redact(piece.repeat(100_000));
      expect(performance.now() - start).toBeLessThan(5000);
    },
  );

  it('leaves an address with a port alone when an @ follows later in the line', () => {
    const line = JSON.stringify({ url: 'https://gateway:8443', contact: 'someone@plant', next: 1 });
    expect(redact(line)).toBe(line);
  });

  it('keeps JSON that is JSON, whatever is in it, and every field that is no secret', () => {
    const pieces = [
      'sig=a',
      'SharedAccessKey=b',
      'Bearer c',
      'https://d:e',
      '@',
      '"',
      '\\',
      '"key":"',
      ' ',
      'x',
    ];
    const text = fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((parts) => parts.join(''));
    fc.assert(
      fc.property(text, text, text, (msg, password, inner) => {
        const value = { msg, password, inner: JSON.stringify({ token: inner, plain: 1 }), last: 7 };
        const clean = JSON.parse(redact(JSON.stringify(value))) as typeof value;
        expect(Object.keys(clean)).toEqual(Object.keys(value));
        expect(clean.last).toBe(7);
        expect(clean.password).toBe(password === '' ? '' : '***');
        expect(JSON.parse(clean.inner)).toEqual({ token: inner === '' ? '' : '***', plain: 1 });
      }),
    );
  });
});

describe('validate', () => {
  const schema = Type.Object({ port: Type.Integer({ minimum: 1 }) });

  it('does not coerce', () => {
    expect(() => validate(schema, { port: '8443' }, 'settings')).toThrow(/settings is not valid at \/port/);
  });

  it('names the whole value when it is of another kind', () => {
    expect(() => validate(schema, null, 'settings')).toThrow(/at \//);
  });
});

describe('the system clock', () => {
  it('runs a timer once, and a cancelled one never', async () => {
    const ran: string[] = [];
    systemClock.after(5, () => ran.push('cancelled')).cancel();
    await new Promise<void>((resolve) => systemClock.after(10, resolve));
    expect(ran).toEqual([]);
  });

  it('ends a delay when it is aborted', async () => {
    const abort = new AbortController();
    const start = performance.now();
    const waiting = delay(systemClock, 60_000, abort.signal);
    abort.abort();
    await waiting;
    expect(performance.now() - start).toBeLessThan(30_000);
  });
});

describe('the logger', () => {
  const journal = process.env['JOURNAL_STREAM'];
  afterEach(() => {
    if (journal === undefined) delete process.env['JOURNAL_STREAM'];
    else process.env['JOURNAL_STREAM'] = journal;
  });

  const lines = (log: (logger: ReturnType<typeof createLogger>) => void): string => {
    let text = '';
    log(createLogger('test', 'debug', { write: (chunk) => (text += chunk) }));
    return text;
  };

  it('writes JSON lines without secrets', () => {
    delete process.env['JOURNAL_STREAM'];
    const text = lines((logger) =>
      logger.info({ token: 'SharedAccessSignature sr=a&sig=topsecret&se=1' }, 'hello'),
    );
    expect(JSON.parse(text)).toMatchObject({ name: 'test', msg: 'hello' });
    expect(text).not.toContain('topsecret');
  });

  it('gives journald its priorities', () => {
    process.env['JOURNAL_STREAM'] = '8:1';
    const text = lines((logger) => {
      logger.debug('a');
      logger.warn('b');
      logger.error('c');
    });
    expect(text.split('\n').map((line) => line.slice(0, 3))).toEqual(['<7>', '<4>', '<3>', '']);
  });
});
