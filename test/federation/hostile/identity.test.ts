import { beforeAll, describe, expect, it } from 'vitest';
import { answers } from '../../../testkit/fake-peer.ts';
import { endpointOf, hostileIdentities, type Surroundings } from '../../../testkit/hostile-identities.ts';
import { aftermathOf, harmless, type HostileCase } from './hostile-case.ts';
import { createSurroundings, documentOf, HostileWorld } from './hostile-world.ts';

let around: Surroundings;

beforeAll(async () => {
  around = await createSurroundings();
});

const cases: readonly (readonly [does: string, which: keyof typeof hostileIdentities, code: string])[] = [
  ['another ID of its trust domain', 'anotherIdOfTheTrustDomain', 'endpoint-id-mismatch'],
  ['an ID with the right path in another trust domain', 'theSamePathElsewhere', 'endpoint-id-mismatch'],
  ['the right ID under the root of another peer', 'rightIdUnderAnothersRoot', 'svid-refused'],
  ['the right ID under our own root', 'rightIdUnderOurRoot', 'svid-refused'],
  ['the right ID under a root of nobody', 'rightIdUnderNobodysRoot', 'svid-refused'],
  ['an SVID that ended a second ago', 'expired', 'svid-refused'],
  ['an SVID that begins in a second', 'notYetValid', 'svid-refused'],
  ['a CA as its leaf', 'caAsLeaf', 'svid-refused'],
  ['a leaf that may sign certificates', 'signerAsLeaf', 'svid-refused'],
  ['the root itself', 'theRootItself', 'svid-refused'],
  ['a leaf for clients only', 'clientOnly', 'svid-refused'],
  ['two SPIFFE IDs', 'twoIds', 'svid-refused'],
  ['the right SPIFFE ID twice', 'theIdTwice', 'svid-refused'],
  ['the right SPIFFE ID and another URI', 'anIdAndAnotherUri', 'svid-refused'],
  ['the right SPIFFE ID in capitals', 'upperCaseId', 'svid-refused'],
  ['a certificate without any SPIFFE ID', 'noId', 'svid-refused'],
  ['a look-alike of its root', 'lookAlikeRoot', 'svid-refused'],
  ['an expired look-alike over a CA of another peer', 'lookAlikeOverAnothersCa', 'svid-refused'],
  ['two CAs that certify each other', 'mutuallyCrossSigned', 'svid-refused'],
  ['six CAs of one name', 'allOfOneName', 'svid-refused'],
  ['a hundred certificates', 'aHundredCertificates', 'svid-refused'],
];

describe('Federation sends no byte of HTTP to an endpoint that shows (FED-27, X509-01 to X509-29)', () => {
  it.each(cases)('%s: %3$s', async (_does, which, code) => {
    const identity = await hostileIdentities[which](around);
    const seen: string[] = [];
    const row: HostileCase = {
      does: which,
      deed: () => ({
        identity,
        // A perfect bundle, if a client asks.
        answer: (socket, request, reset) => {
          seen.push(request.path);
          answers.document(documentOf(around.peerCa.bundle(6n)))(socket, request, reset);
        },
      }),
      code,
    };
    expect(await aftermathOf(around, row)).toEqual(harmless(row));
    expect(seen).toEqual([]);
  });

  it('nothing odd: an intermediate, surplus certificates, any order (the valid twin)', async () => {
    await using world = await HostileWorld.start(around);
    const between = await around.peerCa.issueIntermediate();
    world.peer.misbehave({ identity: await endpointOf(between) });
    expect(await world.poll()).toBe('unchanged');
    const { certificatePem, keyPem } = await endpointOf(between);
    const { certificatePem: surplus } = await hostileIdentities.rightIdUnderNobodysRoot(around);
    world.peer.misbehave({ identity: { certificatePem: `${certificatePem}${surplus}`, keyPem } });
    expect(await world.poll()).toBe('unchanged');
  });
});
