import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { yamlText } from '../../src/cli/yaml-text.ts';

describe('yamlText()', () => {
  it.each([
    ['escape sequences', 'red \u001B[31m root'],
    ['text that runs backwards', 'a\u202Eb'],
    ['characters beyond 16 bits', 'tag \u{E0041}'],
    ['line breaks of other kinds', 'a\u2028b\u0085c'],
    ['several lines', 'one\ntwo\n'],
    ['words of YAML 1.1', 'no'],
  ])('gives back what it was given, without a character that steers a terminal: %s', (_what, text) => {
    const written = yamlText({ [`key ${text}`]: [text] });
    expect(parse(written)).toEqual({ [`key ${text}`]: [text] });
    expect(written).not.toMatch(/(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  });

  it('quotes what a reader of YAML 1.1 would take for a time, a truth or a number', () => {
    const texts = { at: '2030-01-01T12:00:00.000Z', country: 'no', sequence: '7', name: 'b.example' };
    expect(yamlText(texts)).toBe(
      'at: "2030-01-01T12:00:00.000Z"\ncountry: "no"\nsequence: "7"\nname: b.example\n',
    );
  });
});
