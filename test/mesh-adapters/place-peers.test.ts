import { describe, expect, it } from 'vitest';
import { judgeForeignTrust, rootsToHold } from '../../src/mesh-adapters/contract/admission.ts';
import { placePeers } from '../../src/mesh-adapters/contract/place-peers.ts';
import { bundleOf, parseTrustDomain, type TrustBundle, type X509Authority } from '../../src/spiffe/index.ts';
import { createTestCa, TEST_INSTANT } from '../../testkit/test-ca.ts';

const own = { trustDomain: parseTrustDomain('own.example'), roots: [] };

async function peer(name: string, roots: number): Promise<TrustBundle> {
  const cas = await Promise.all(Array.from({ length: roots }, () => createTestCa({ trustDomain: name })));
  return bundleOf(
    parseTrustDomain(name),
    cas.map(({ authority }) => authority),
  );
}

/**
 * Places peers where each root takes ten bytes; returns the content by name, and the codes of the
 * refusals.
 */
async function place(
  wanted: readonly TrustBundle[],
  bytesOfAll: number,
  standing: readonly X509Authority[] = [],
) {
  const held = new Map(
    wanted.flatMap(({ trustDomain, x509Authorities }) =>
      x509Authorities
        .filter((root) => standing.includes(root))
        .map((root) => [root.keyFingerprint, trustDomain] as const),
    ),
  );
  const context = {
    own,
    ownAliases: [],
    scope: 'per-trust-domain',
    taken: new Set<string>(),
    held,
    now: TEST_INSTANT,
  } as const;
  const placed = await placePeers(judgeForeignTrust(wanted, context), {
    rootsToKeep: (admission) => rootsToHold(admission, held),
    render: (_admission, roots) => roots,
    bytesOf: (roots) => roots.length * 10,
    limits: { bytesOfPeer: 50, bytesOfAll },
  });
  return {
    stands: Object.fromEntries(
      placed.map(({ admission, rendered }) => [admission.bundle.trustDomain, rendered?.length ?? 0]),
    ),
    codes: placed.map(({ admission }) => admission.refusal?.code),
    roots: placed.flatMap(({ rendered }) => rendered ?? []),
  };
}

describe('placePeers()', () => {
  it('places the smallest peers first, in any order, and refuses the rest', async () => {
    const peers = await Promise.all([peer('a.example', 4), peer('b.example', 1), peer('c.example', 2)]);
    const { stands, codes } = await place(peers, 40);
    expect(stands).toEqual({ 'a.example': 0, 'b.example': 1, 'c.example': 2 });
    expect(codes).toEqual(['mesh-full', undefined, undefined]);
    expect((await place(peers.toReversed(), 40)).stands).toEqual(stands);
  });

  it('keeps of a crowded-out peer what is there and still fits, and makes the same choice again', async () => {
    const large = await peer('a.example', 4);
    const peers = [large, await peer('b.example', 1), await peer('c.example', 2)];
    const first = await place(peers, 50, large.x509Authorities.slice(0, 2));
    expect(first.stands).toEqual({ 'a.example': 2, 'b.example': 1, 'c.example': 2 });
    expect(await place(peers, 50, first.roots)).toEqual(first);
  });

  it('keeps nothing of a crowded-out peer where what is there does not fit either', async () => {
    const large = await peer('a.example', 4);
    const peers = [large, await peer('b.example', 1), await peer('c.example', 2)];
    const { stands } = await place(peers, 30, large.x509Authorities);
    expect(stands).toEqual({ 'a.example': 0, 'b.example': 1, 'c.example': 2 });
  });

  it('refuses a peer that takes more than one peer may, although there is room', async () => {
    const { stands, codes } = await place([await peer('a.example', 6), await peer('b.example', 1)], 1000);
    expect(stands).toEqual({ 'a.example': 0, 'b.example': 1 });
    expect(codes).toEqual(['bundle-too-large', undefined]);
  });

  it('refuses a peer with roots that cannot be rendered, keeps those of its roots that can, and continues', async () => {
    const [hostile, honest] = [await peer('a.example', 2), await peer('b.example', 1)];
    const [odd, stays] = hostile.x509Authorities;
    const held = new Map(
      hostile.x509Authorities.map((root) => [root.keyFingerprint, hostile.trustDomain] as const),
    );
    const context = {
      own,
      ownAliases: [],
      scope: 'per-trust-domain',
      taken: new Set<string>(),
      held,
      now: TEST_INSTANT,
    } as const;
    const placed = await placePeers(judgeForeignTrust([hostile, honest], context), {
      rootsToKeep: (admission) => rootsToHold(admission, held),
      render: (_admission, roots) => {
        if (odd && roots.includes(odd)) throw new Error('a curve of its own');
        return roots;
      },
      bytesOf: () => 1,
      limits: { bytesOfPeer: 50, bytesOfAll: 50 },
    });
    expect(placed.map(({ rendered }) => rendered)).toEqual([[stays], honest.x509Authorities]);
    expect(placed[0]?.admission.refusal).toMatchObject({
      code: 'root-not-renderable',
      message: expect.stringContaining('a curve of its own'),
    });
  });
});
