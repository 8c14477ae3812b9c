import { describe, expect, it } from 'vitest';
import { namedTrustDomain } from '../../src/agent/named-trust-domain.ts';
import { parseTrustDomain } from '../../src/spiffe/index.ts';

const ours = parseTrustDomain('a.example');
const nobody = () => false;
const anyPeer = () => true;

describe('namedTrustDomain()', () => {
  it('takes "own" for ours, and a name for that name', () => {
    expect(namedTrustDomain('own', ours, nobody)).toBe('a.example');
    expect(namedTrustDomain('b.example', ours, anyPeer)).toBe('b.example');
    expect(namedTrustDomain('spiffe://b.example', ours, anyPeer)).toBe('b.example');
    expect(() => namedTrustDomain('own', undefined, nobody)).toThrowError(
      expect.objectContaining({ code: 'own-bundle-unknown' }),
    );
    expect(() => namedTrustDomain('B.example', ours, nobody)).toThrowError(
      expect.objectContaining({ code: 'trust-domain-character' }),
    );
  });

  it('refuses "own" where a peer has that name, and explains how to name each', () => {
    expect(() => namedTrustDomain('own', ours, anyPeer)).toThrowError(
      expect.objectContaining({
        code: 'own-ambiguous',
        message: expect.stringMatching(/spiffe:\/\/own.*spiffe:\/\/a\.example/),
      }),
    );
    expect(namedTrustDomain('spiffe://own', ours, anyPeer)).toBe('own');
    expect(namedTrustDomain('spiffe://a.example', ours, anyPeer)).toBe('a.example');
  });

  it('takes "own" for ours where that is its name', () => {
    expect(namedTrustDomain('own', parseTrustDomain('own'), nobody)).toBe('own');
  });
});
