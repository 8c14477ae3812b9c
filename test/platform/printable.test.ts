import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { printable, printableData, printableJson, printableLines } from '../../src/platform/index.ts';

const STEERING = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const BUT_LAYOUT = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u;
const text = fc.string({ unit: 'binary' });

describe('Text from others', () => {
  it('is one line without anything that could steer a terminal', () => {
    fc.assert(fc.property(text, (each) => !STEERING.test(printable(each))));
    expect(printable('a\nb\u0085c\u2028d\u202ee\u001b[2Jf\u200eg\r\u009bh')).toBe('a�b�c�d�e�[2Jf�g��h');
  });

  it('keeps only line feeds and tabs as layout', () => {
    fc.assert(fc.property(text, (each) => !BUT_LAYOUT.test(printableLines(each))));
    expect(printableLines('a\n\tb\rc')).toBe('a\n\tb�c');
  });

  it('keeps the meaning of JSON', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const shown = printableJson(JSON.stringify(value, undefined, 2));
        expect(shown).not.toMatch(BUT_LAYOUT);
        expect(JSON.parse(shown)).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
    expect(printableJson('"\u{E0001}\u0085"')).toBe(String.raw`"\udb40\udc01\u0085"`);
  });

  it('is clean at every depth of data, and only there', () => {
    const date = new Date(0);
    expect(
      printableData(
        { a: ['x\ny', { 'k\n': 'z\u202e' }], at: date, n: 1, none: null, raw: 'a\nb' },
        new Set(['raw']),
      ),
    ).toEqual({ a: ['x�y', { 'k�': 'z�' }], at: date, n: 1, none: null, raw: 'a\nb' });
  });
});
