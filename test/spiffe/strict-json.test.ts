import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { JsonNumber, type JsonValue, parseStrictJson } from '../../src/spiffe/index.ts';
import { attempt, codeOf } from './attempt.ts';

const limits = { maxBytes: 10_000, maxDepth: 16 };
const parse = (text: string) => parseStrictJson(Buffer.from(text), limits);

/** The value as JSON.parse would give it, where nothing is lost by that. */
function plain(value: JsonValue): unknown {
  if (value instanceof JsonNumber) return Number(value.source);
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([name, member]) => [name, plain(member)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

describe('parseStrictJson()', () => {
  it('keeps every digit of a number (TDB-08)', () => {
    const value = parse('[9007199254740993,18446744073709551615,-0,1e3,1.50]');
    expect(value).toEqual(
      ['9007199254740993', '18446744073709551615', '-0', '1e3', '1.50'].map(
        (source) => new JsonNumber(source),
      ),
    );
    expect(new JsonNumber('9007199254740993').integer).toBe(9007199254740993n);
    expect(new JsonNumber('1e3').integer).toBeUndefined();
    expect(new JsonNumber('1.0').integer).toBeUndefined();
    // Not even read: a megabyte of digits would be work without an end.
    expect(new JsonNumber('9'.repeat(40)).integer).toBe(10n ** 40n - 1n);
    expect(new JsonNumber('9'.repeat(41)).integer).toBeUndefined();
  });

  it.each([
    ['{"a":1,"b":1}', '{"a":1,"a":1}'],
    ['{"a":1,"b":1}', '{"a":1,"\\u0061":1}'],
    ['{"x":{"a":1,"b":1}}', '{"x":{"a":1,"a":1}}'],
    ['[{"a":1},{"a":1}]', '[{"a":1,"":2,"a":3}]'],
    ['{"__proto__":1}', '{"__proto__":1,"__proto__":2}'],
    ['{"":1}', '{"":1,"":1}'],
  ])('accepts %s and refuses the repeated member in %s (TDB-20)', (valid, repeated) => {
    expect(codeOf(() => parse(valid))).toBe('accepted');
    expect(codeOf(() => parse(repeated))).toBe('json-duplicate-member');
  });

  it('keeps a member called __proto__ apart from the prototype', () => {
    expect(parse('{"__proto__":1}')).toEqual(new Map([['__proto__', new JsonNumber('1')]]));
  });

  it('refuses a byte order mark, other encodings and trailing text (TDB-43)', () => {
    expect(codeOf(() => parse('{}'))).toBe('accepted');
    expect(codeOf(() => parse('\ufeff{}'))).toBe('json-encoding');
    expect(codeOf(() => parseStrictJson(Buffer.from('{}', 'utf16le'), limits))).toBe('json-syntax');
    expect(codeOf(() => parseStrictJson(Buffer.of(0x22, 0xc0, 0x80, 0x22), limits))).toBe('json-encoding');
    expect(codeOf(() => parseStrictJson(Buffer.of(0x22, 0xed, 0xa0, 0x80, 0x22), limits))).toBe(
      'json-encoding',
    );
    for (const text of ['{} x', '{}{}', '[],', '1 2', '{}\0', '{}\ufeff', '{}\u00a0']) {
      expect(codeOf(() => parse(text))).toBe('json-syntax');
    }
  });

  it.each([
    '',
    ' ',
    '{',
    '}',
    '[',
    '[1',
    '[1,',
    '[1,]',
    '[,1]',
    '{"a"}',
    '{"a":}',
    '{"a":1,}',
    '{a:1}',
    "{'a':1}",
    '{"a" 1}',
    '01',
    '+1',
    '.5',
    '1.',
    '1e',
    '1e+',
    '--1',
    '0x10',
    'NaN',
    'Infinity',
    'tru',
    'True',
    'nul',
    'undefined',
    '"',
    '"a',
    '"\\"',
    '"\\x41"',
    '"\\u12"',
    '"\\u12G4"',
    '"\n"',
    '"\t"',
    '"\u0000"',
    '"\u0001n"',
    '{a":1}',
    '"\\x0041"',
    "'a'",
    '// x\n1',
    '/* x */1',
    '"\\ud800"',
    '"\\udc00\\ud800"',
  ])('refuses %j', (text) => {
    expect(codeOf(() => parse(text))).toBe('json-syntax');
  });

  it.each([
    ' {"a b" :1, "c":\t[ true ,false,\n null ]\r,"d":{ } ,"e":[ ] } ',
    '"a b c"',
    '"\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u0041\\u00e9\\uABCD"',
    '[0,-0,10,-12,1.5,-0.25,1.125e3,1E+10,2e-10,120.75E12]',
    '"\u007f\u0020!"',
  ])('reads %j as JSON.parse does', (text) => {
    expect(plain(parse(text))).toEqual(JSON.parse(text));
  });

  it('keeps why bytes are not UTF-8', () => {
    const outcome = attempt(() => parseStrictJson(Buffer.of(0x22, 0xc0, 0x22), limits));
    expect('error' in outcome && outcome.error.cause).toBeInstanceOf(TypeError);
  });

  it('joins escaped surrogate pairs', () => {
    expect(parse('"\\ud83d\\ude00"')).toBe('😀');
  });

  it('bounds bytes and nesting (TDB-44)', () => {
    expect(codeOf(() => parseStrictJson(Buffer.from('[1]'), { maxBytes: 3, maxDepth: 1 }))).toBe('accepted');
    expect(codeOf(() => parseStrictJson(Buffer.from('[1] '), { maxBytes: 3, maxDepth: 1 }))).toBe(
      'json-too-large',
    );
    expect(codeOf(() => parseStrictJson(Buffer.from('[[]]'), { maxBytes: 9, maxDepth: 1 }))).toBe(
      'json-too-deep',
    );
    expect(codeOf(() => parse(`${'['.repeat(5000)}${']'.repeat(5000)}`))).toBe('json-too-deep');
    expect(codeOf(() => parse(`${'{"a":'.repeat(17)}1${'}'.repeat(17)}`))).toBe('json-too-deep');
  });

  it('reads what JSON.stringify writes', () => {
    const values = fc.jsonValue({ maxDepth: 4, noUnicodeString: false });
    fc.assert(
      fc.property(values, (value) => {
        const text = JSON.stringify(value);
        expect(plain(parseStrictJson(Buffer.from(text), { maxBytes: 1e6, maxDepth: 16 }))).toEqual(
          JSON.parse(text),
        );
      }),
    );
  });

  it('accepts nothing that JSON.parse refuses, and throws nothing but coded errors', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.string({
        unit: fc.constantFrom(
          '{',
          '}',
          '[',
          ']',
          ',',
          ':',
          '"',
          '\\',
          'a',
          'u',
          '0',
          '1',
          '-',
          '.',
          'e',
          ' ',
        ),
      }),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const outcome = attempt(() => parse(text));
        expect(() => 'value' in outcome && JSON.parse(text)).not.toThrow();
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 60 }),
        (bytes) => void attempt(() => parseStrictJson(bytes, limits)),
      ),
    );
  });
});
