import { beforeAll, describe, expect, it } from 'vitest';
import {
  bundleOf,
  currentPart,
  currentRoots,
  parseTrustDomain,
  type X509Authority,
} from '../../src/spiffe/index.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';

const day = (days: number) => new Date(TEST_INSTANT.getTime() + days * 86_400_000);
let first: TestCa;
let ended: X509Authority;
let renewed: X509Authority;
let early: X509Authority;
let other: X509Authority;

beforeAll(async () => {
  first = await createTestCa({ trustDomain: 'b.example' });
  ended = { ...first.authority, notBefore: day(-400), notAfter: day(-3), fingerprint: 'a' };
  renewed = first.authority;
  early = { ...first.authority, notBefore: day(5), notAfter: day(900), fingerprint: 'b' };
  other = { ...(await createTestCa({ trustDomain: 'b.example' })).authority, notBefore: day(5) };
});

describe('currentRoots()', () => {
  it('leaves out expired roots, next to their renewal and alone, in any order', () => {
    expect(currentRoots([ended, renewed], TEST_INSTANT)).toEqual([renewed]);
    expect(currentRoots([renewed, ended], TEST_INSTANT)).toEqual([renewed]);
    expect(currentRoots([ended], TEST_INSTANT)).toEqual([]);
    expect(currentRoots([renewed], renewed.notAfter)).toEqual([]);
  });

  it('holds back a future renewal exactly while the root with its name and key is valid', () => {
    expect(currentRoots([early, renewed], TEST_INSTANT)).toEqual([renewed]);
    expect(currentRoots([early, renewed], day(5))).toEqual([early, renewed]);
    expect(currentRoots([early, ended], TEST_INSTANT)).toEqual([early]);
  });

  it('gives out a new root before it is valid, so that peers have it before it signs', () => {
    expect(currentRoots([renewed, other], TEST_INSTANT)).toEqual([renewed, other]);
  });

  it('keeps the same objects when nothing is left out', () => {
    const bundle = bundleOf(parseTrustDomain('b.example'), [renewed]);
    expect(currentPart(bundle, TEST_INSTANT)).toBe(bundle);
    expect(currentPart({ ...bundle, x509Authorities: [ended, renewed] }, TEST_INSTANT)).toEqual(bundle);
  });
});
