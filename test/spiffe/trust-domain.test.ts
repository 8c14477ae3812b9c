import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isTrustDomain, parseTrustDomain } from '../../src/spiffe/index.ts';
import { attempt } from './attempt.ts';
import { fixtureLines } from './fixture-lines.ts';

describe('parseTrustDomain()', () => {
  it.each(
    fixtureLines('ids/trust-domain-valid.txt'),
  )('accepts %j and keeps its bytes (ID-05, ID-07)', (text) => {
    expect(parseTrustDomain(text)).toBe(text);
  });

  it.each(fixtureLines('ids/trust-domain-invalid.txt'))('refuses %j (ID-05, ID-06)', (text) => {
    expect(() => parseTrustDomain(text)).toThrow(expect.objectContaining({ code: 'trust-domain-character' }));
    expect(isTrustDomain(text)).toBe(false);
  });

  it('accepts exactly 39 byte values inside a name (ID-05)', () => {
    const accepted = Array.from({ length: 256 }, (_, byte) => `a${String.fromCharCode(byte)}b`).filter(
      isTrustDomain,
    );
    expect(accepted).toHaveLength(39);
    expect(accepted).toContain('a-b');
  });

  it('refuses the empty name (ID-03)', () => {
    expect(() => parseTrustDomain('')).toThrow(expect.objectContaining({ code: 'trust-domain-empty' }));
  });

  it('accepts 255 bytes and refuses 256 (ID-08)', () => {
    expect(parseTrustDomain('a'.repeat(255))).toHaveLength(255);
    expect([255, 256].map((length) => isTrustDomain('a'.repeat(length)))).toEqual([true, false]);
    expect(() => parseTrustDomain('a'.repeat(256))).toThrow(
      expect.objectContaining({ code: 'trust-domain-too-long' }),
    );
  });

  it('keeps td. and td apart (ID-07)', () => {
    expect(parseTrustDomain('td.')).not.toBe(parseTrustDomain('td'));
  });

  it('refuses a line feed at the end, which a regular expression may overlook (ID-05)', () => {
    expect(isTrustDomain('td')).toBe(true);
    expect(isTrustDomain('td\n')).toBe(false);
    expect(isTrustDomain('td\0')).toBe(false);
  });

  it('returns its input or throws a coded error, for any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (text) => {
        const outcome = attempt(() => parseTrustDomain(text));
        expect('value' in outcome ? outcome.value : text).toBe(text);
      }),
    );
  });
});
