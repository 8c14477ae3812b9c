import { describe, expect, it } from 'vitest';
import { peerEndpoints } from '../../src/agent/peer-endpoints.ts';
import { parseSpiffeId, parseTrustDomain } from '../../src/spiffe/index.ts';
import type { Relationship } from '../../src/store/index.ts';

const west = parseTrustDomain('west.example');
const relationship: Relationship = {
  trustDomain: west,
  endpointUrl: 'https://west.example/bundle',
  moreEndpointUrls: ['https://second.west.example/'],
  profile: { kind: 'https_spiffe', endpointId: parseSpiffeId('spiffe://west.example/federate') },
  state: 'active',
  consecutiveFailures: 0,
  createdAt: new Date(0),
  bootstrap: { kind: 'bundle-pin', detail: '' },
};

const endpointOf = (
  changes: Partial<Relationship> | undefined = {},
  distrusted: ReadonlySet<string> = new Set(),
) =>
  peerEndpoints(
    {
      relationshipWith: () => ({ ...relationship, ...changes }),
      bundles: { bundleFor: () => undefined, distrustedKeys: () => distrusted },
    },
    () => parseTrustDomain('own.example'),
  )(west);

describe('peerEndpoints()', () => {
  it('gives the first address of an endpoint that the mesh may poll by itself, and how it is proved', () => {
    const { endpointUrl: url, profile } = relationship;
    expect(endpointOf()).toEqual({ url, profile });
    expect(endpointOf({ state: 'failing' })).toEqual({ url, profile });
    expect(endpointOf({ profile: { kind: 'https_web' } })).toEqual({ url, profile: { kind: 'https_web' } });
    const endpointId = parseSpiffeId('spiffe://own.example/relay');
    expect(endpointOf({ profile: { kind: 'https_spiffe', endpointId } })).toMatchObject({ url });
  });

  it.each([
    [{ state: 'quarantined' }, 'quarantined'],
    [{ state: 'needs-bootstrap' }, 'needs-bootstrap'],
    [{ state: 'awaiting-approval' }, 'awaiting-approval'],
    [{ policy: 'ask-always' }, 'wait for the operator'],
    [{ staleAfterSeconds: 60 }, '60 s'],
    [{ profile: { kind: 'https_web' }, webPkiCaPem: 'PEM' }, 'a CA of its own'],
    [
      { profile: { kind: 'https_spiffe', endpointId: parseSpiffeId('spiffe://third.example/host') } },
      'third.example',
    ],
    [
      { profile: { kind: 'signed_bundle', signerId: parseSpiffeId('spiffe://west.example/federate') } },
      'signed',
    ],
  ] satisfies [Partial<Relationship>, string][])('gives the reason for %j', (changes, words) => {
    expect(endpointOf(changes)).toEqual({ why: expect.stringContaining(words) });
  });

  it('says why not while a key is distrusted, and without a relationship', () => {
    expect(endpointOf({}, new Set(['00']))).toEqual({ why: expect.stringContaining('distrusted') });
    const none = peerEndpoints(
      { relationshipWith: () => undefined, bundles: { bundleFor: () => undefined } },
      () => undefined,
    );
    expect(none(west)).toEqual({ why: expect.stringContaining('no relationship') });
  });
});
