import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  isSpiffeId,
  MAX_SPIFFE_ID_BYTES,
  parseSpiffeId,
  parseTrustDomain,
  pathOf,
  spiffeIdOf,
  trustDomainOf,
} from '../../src/spiffe/index.ts';
import { attempt } from './attempt.ts';
import { fixtureLines } from './fixture-lines.ts';

const td = parseTrustDomain('td');

describe('parseSpiffeId()', () => {
  it.each(
    fixtureLines('ids/spiffe-id-valid.txt'),
  )('accepts %j byte for byte (ID-01, ID-07, ID-13, ID-15)', (text) => {
    const id = parseSpiffeId(text);
    expect(id).toBe(text);
    expect(spiffeIdOf(trustDomainOf(id), pathOf(id))).toBe(id);
  });

  it.each(
    fixtureLines('ids/spiffe-id-invalid.txt').map((line) => [
      line.slice(0, line.indexOf(' ')),
      line.slice(line.indexOf(' ') + 1),
    ]),
  )('refuses with %s: %j (ID-01 to ID-06, ID-12 to ID-14, ID-16, ID-17)', (code, text) => {
    expect(() => parseSpiffeId(text)).toThrow(expect.objectContaining({ code }));
    expect(isSpiffeId(text)).toBe(false);
  });

  it('refuses the empty text (ID-01)', () => {
    expect(() => parseSpiffeId('')).toThrow(expect.objectContaining({ code: 'id-scheme' }));
  });

  it('accepts exactly 65 byte values inside a segment (ID-12)', () => {
    const accepted = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).filter((character) =>
      isSpiffeId(`spiffe://td/a${character}b`),
    );
    // The slash is the 66th: it makes two segments of one.
    expect(accepted).toHaveLength(66);
    expect(accepted.filter((character) => character !== '/')).toHaveLength(65);
  });

  it('accepts 2048 bytes (ID-09) and refuses 2049 (ID-11)', () => {
    const longest = `spiffe://td/${'a'.repeat(MAX_SPIFFE_ID_BYTES - 'spiffe://td/'.length)}`;
    expect(parseSpiffeId(longest)).toHaveLength(2048);
    expect(() => parseSpiffeId(`${longest}a`)).toThrow(expect.objectContaining({ code: 'id-too-long' }));
  });

  it('keeps /W and /w apart (ID-16)', () => {
    expect(parseSpiffeId('spiffe://td/W')).not.toBe(parseSpiffeId('spiffe://td/w'));
  });

  it('returns its input or throws a coded error, for any text', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.string().map((rest) => `spiffe://${rest}`),
      fc
        .string({ unit: fc.constantFrom('a', 'Z', '.', '/', '-', '%', ':', '@', '?') })
        .map((rest) => `spiffe://td${rest}`),
    );
    fc.assert(
      fc.property(texts, (text) => {
        const outcome = attempt(() => parseSpiffeId(text));
        const parts =
          'value' in outcome ? `spiffe://${trustDomainOf(outcome.value)}${pathOf(outcome.value)}` : undefined;
        expect(parts).toBe(isSpiffeId(text) ? text : undefined);
      }),
      { numRuns: 500 },
    );
  });
});

describe('SpiffeIdError', () => {
  it('keeps what is wrong with the trust domain, and quotes no more than 120 characters', () => {
    const named = attempt(() => parseSpiffeId('spiffe://T/w'));
    expect('error' in named && named.error).toMatchObject({
      code: 'id-trust-domain',
      message: expect.stringMatching(/"spiffe:\/\/T\/w" names .*: a trust domain name holds only/),
      cause: { code: 'trust-domain-character' },
    });
    for (const [length, shown] of [
      [120, '"'],
      [121, '…"'],
    ] as const) {
      const text = `spiffe://td/${'a'.repeat(length - 13)}/`;
      const outcome = attempt(() => parseSpiffeId(text));
      const quoted = `"${text.slice(0, 120)}${shown}`;
      expect('error' in outcome && outcome.error.message).toContain(quoted);
    }
  });
});

describe('spiffeIdOf()', () => {
  it('names the trust domain itself without a path (ID-15)', () => {
    const id = spiffeIdOf(td);
    expect(id).toBe('spiffe://td');
    expect(pathOf(id)).toBe('');
    expect(trustDomainOf(id)).toBe(td);
  });

  it('refuses to make 2049 bytes (ID-10)', () => {
    expect(spiffeIdOf(td, `/${'a'.repeat(2048 - 12)}`)).toHaveLength(2048);
    expect(() => spiffeIdOf(td, `/${'a'.repeat(2048 - 11)}`)).toThrow(
      expect.objectContaining({ code: 'id-too-long' }),
    );
  });

  it('refuses a path that would change the trust domain (ID-01)', () => {
    expect(spiffeIdOf(td, '/x')).toBe('spiffe://td/x');
    for (const path of ['.evil/x', 'x', '@evil/x']) {
      expect(() => spiffeIdOf(td, path)).toThrow(expect.objectContaining({ code: 'id-path-leading-slash' }));
    }
  });
});
