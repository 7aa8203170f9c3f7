import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorAreas, errorDefinition } from '../../../src/common/errors/registry';
import { TpeError, codeOf, isTpeError, reasonOf, toTpeError } from '../../../src/common/errors/tpe-error';

const reference = readFileSync(join(__dirname, '../../../docs/reference/errors.md'), 'utf8');
const codes = Object.values(errorAreas).flatMap((area) => Object.keys(area));

describe('the error registry', () => {
  it('has every code once', () => {
    expect(new Set(codes).size).toBe(codes.length);
  });

  it.each(codes)('%s says what happened and what to do, in sentences', (code) => {
    const definition = errorDefinition(code)!;
    expect(code).toMatch(/^[A-Z][A-Z0-9_]+$/);
    expect(definition.message.length).toBeGreaterThan(5);
    expect(definition.advice).toMatch(/\.$/);
    if (definition.status !== undefined) expect(definition.status).toBeGreaterThanOrEqual(400);
  });

  it('is documented, every code', () => {
    const documented = [...reference.matchAll(/^### `([A-Z0-9_]+)`$/gm)].map((match) => match[1]!);
    expect(documented.sort()).toEqual([...codes].sort());
  });

  it('is documented with the sentences of the code: run "node scripts/errors-doc.mjs" after a change', () => {
    for (const code of codes) {
      expect(reference).toContain(errorDefinition(code)!.advice);
    }
  });
});

describe('an error', () => {
  it('fills the places of its sentence from its details', () => {
    const error = new TpeError('HTTP_TIMEOUT', { url: 'https://a', timeoutMs: 5 });
    expect(error.message).toBe('https://a did not answer within 5 ms');
  });

  it('is recognised by its code, also when it comes from another realm or bundle', () => {
    const stranger = JSON.parse(JSON.stringify(new TpeError('HTTP_TIMEOUT'))) as unknown;
    expect(isTpeError(stranger, 'HTTP_TIMEOUT')).toBe(true);
    expect(isTpeError(stranger, 'INTERNAL')).toBe(false);
    expect(isTpeError({ code: 'ENOENT', advice: '' })).toBe(false);
    expect(isTpeError(undefined)).toBe(false);
  });

  it('keeps a stranger as its cause', () => {
    const stranger = new RangeError('odd');
    expect(toTpeError(stranger)).toMatchObject({ code: 'INTERNAL', cause: stranger });
  });

  it('gives the reasons of an AggregateError, whose own message is empty', () => {
    expect(reasonOf(new AggregateError([new Error('a'), new Error('b')], ''))).toBe('a; b');
    expect(codeOf({ code: 5 })).toBeUndefined();
  });
});
