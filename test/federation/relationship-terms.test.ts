import { describe, expect, it } from 'vitest';
import { checkTerms, type RelationshipTerms } from '../../src/federation/trust/relationship-terms.ts';
import { overWeb, peerName } from './agent-world.ts';

const check = (terms: RelationshipTerms, endpointUrl = 'https://one.example') =>
  checkTerms({ trustDomain: peerName, endpointUrl, profile: overWeb }, terms);

describe('checkTerms()', () => {
  it('keeps what differs from the default, addresses in their canonical form', () => {
    expect(check({})).toEqual({});
    expect(check({ policy: 'ask-on-dangerous', moreEndpointUrls: [] })).toEqual({});
    expect(
      check({ policy: 'auto', moreEndpointUrls: ['https://TWO.example:443/x'], staleAfterSeconds: 60 }),
    ).toEqual({ policy: 'auto', moreEndpointUrls: ['https://two.example/x'], staleAfterSeconds: 60 });
  });

  it.each([
    ['an address that is none (FED-08)', { moreEndpointUrls: ['two.example'] }],
    ['an address without TLS (FED-08)', { moreEndpointUrls: ['http://two.example'] }],
    ['an address with a password (FED-08)', { moreEndpointUrls: ['https://u:p@two.example'] }],
    ['the first address once more', { moreEndpointUrls: ['https://one.example:443/'] }],
    ['an address twice', { moreEndpointUrls: ['https://two.example', 'https://two.example/'] }],
    [
      'nine addresses',
      { moreEndpointUrls: Array.from({ length: 8 }, (_, index) => `https://e${index}.example`) },
    ],
    ['an age of zero', { staleAfterSeconds: 0 }],
    ['half a second', { staleAfterSeconds: 0.5 }],
    ['no number', { staleAfterSeconds: Number.NaN }],
  ])('refuses %s', (_what, terms) => {
    expect(() => check(terms)).toThrow(expect.objectContaining({ code: 'relationship-invalid' }));
  });

  it('takes eight addresses', () => {
    const moreEndpointUrls = Array.from({ length: 7 }, (_, index) => `https://e${index}.example/`);
    expect(check({ moreEndpointUrls }).moreEndpointUrls).toEqual(moreEndpointUrls);
  });
});
