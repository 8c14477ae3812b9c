import { describe, expect, it } from 'vitest';
import { missingEndpointTrust, servingDepth } from '../../src/federation/fetch/serving.ts';
import { BundleSet, type EndpointProfile, parseSpiffeId, parseTrustDomain } from '../../src/spiffe/index.ts';
import { INSTANT, madeUpBundle, madeUpRoot } from './made-up-bundle.ts';

const web: EndpointProfile = { kind: 'https_web' };
const by = (name: string): EndpointProfile => ({
  kind: 'https_spiffe',
  endpointId: parseSpiffeId(`spiffe://${name}/e`),
});

describe('servingDepth()', () => {
  const profiles = (known: Readonly<Record<string, EndpointProfile>>) => (name: string) => known[name];
  const depth = (name: string, profile: EndpointProfile, known: Readonly<Record<string, EndpointProfile>>) =>
    servingDepth(parseTrustDomain(name), profile, profiles(known));

  it('counts the trust domains in between', () => {
    expect(depth('a', web, {})).toBe(0);
    expect(depth('a', by('a'), {})).toBe(0);
    expect(depth('a', by('b'), { b: by('b') })).toBe(1);
    expect(depth('a', by('b'), { b: web })).toBe(1);
    expect(depth('a', by('b'), { b: by('c'), c: web })).toBe(2);
  });

  it('refuses a circle, and names it (FED-33)', () => {
    expect(() => depth('a', by('b'), { b: by('a') })).toThrow(
      expect.objectContaining({ code: 'serving-cycle' }),
    );
    expect(() => depth('a', by('b'), { b: by('c'), c: by('a') })).toThrow(
      'a is served by b is served by c is served by a',
    );
  });
});

describe('missingEndpointTrust()', () => {
  const missing = (profile: EndpointProfile, ...bundles: ReturnType<typeof madeUpBundle>[]) =>
    missingEndpointTrust(profile, new BundleSet(bundles), INSTANT);

  it('has nothing to say while a root of the right trust domain is valid, or Web PKI does it', () => {
    expect(missing(by('a'), madeUpBundle('a', ['r1']))).toBeUndefined();
    expect(missing(web)).toBeUndefined();
  });

  it('tells a bundle that is missing, empty, or all expired (FED-04, FED-58)', () => {
    const expired = madeUpRoot('old', { notAfter: new Date('2030-05-01T00:00:00Z') });
    expect(missing(by('a'), madeUpBundle('b', ['r1']))).toContain('no bundle of a');
    expect(missing(by('a'), madeUpBundle('a', []))).toContain('no usable X.509 root');
    expect(missing(by('a'), madeUpBundle('a', [expired]))).toContain('no usable X.509 root');
  });
});
