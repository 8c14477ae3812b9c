import { describe, expect, it } from 'vitest';
import type { PlainPoller } from '../../src/federation/index.ts';
import {
  judgeRetire,
  judgeUse,
  type OwnRoot,
  planRoots,
  type RotationView,
} from '../../src/rotation/index.ts';
import {
  at,
  holding,
  now,
  ownRoot,
  ownVersion,
  peerB,
  peerC,
  unreadableRoot,
  viewOf,
} from './rotation-world.ts';

const use = (rest: Partial<RotationView> = {}) => {
  const view = viewOf(rest);
  return judgeUse(view.roots[1] ?? ownRoot(2, 'published'), view);
};
const codes = ({ missing }: ReturnType<typeof judgeUse>) => missing.map(({ code }) => code);
const poller = (rest: Partial<PlainPoller> = {}): PlainPoller => ({
  address: '192.0.2.9',
  firstSeenAt: at(-9000),
  lastSeenAt: at(-20),
  requests: 30,
  ...rest,
});

describe('judgeUse()', () => {
  it('is safe when every peer has proved that the root is in effect in its mesh', () => {
    expect(use()).toEqual({ safe: true, missing: [], taken: [] });
    expect(use({ peers: [] })).toMatchObject({ safe: true });
  });

  it.each([
    ['holds the version before', holding(1), ['peer-behind']],
    ['holds a content that we do not know', holding(7), ['peer-version-unknown']],
    ['holds it, and its mesh does not', { ...holding(2), inMesh: undefined }, ['not-in-effect']],
    [
      'has written it a moment ago',
      holding(2, { inMesh: { progress: 'written', since: at(-3) }, knownSince: at(-3) }),
      ['settling'],
    ],
    [
      'had it accepted a moment ago',
      holding(2, { inMesh: { progress: 'accepted', since: at(-3) }, knownSince: at(-3) }),
      ['settling'],
    ],
  ])('is not safe while a peer %s', (_, { inMesh, ...rest }, expected) => {
    expect(use()).toMatchObject({ safe: true });
    const proof = inMesh ? { ...rest, inMesh } : rest;
    const verdict = use({ peers: [{ trustDomain: peerB, holding: proof }] });
    expect(verdict.safe).toBe(false);
    expect(codes(verdict)).toEqual(expected);
    expect(verdict.missing[0]).toMatchObject({ peer: peerB });
  });

  it('waits for a written root by our own clock, and not for one that is in effect', () => {
    const written = { progress: 'written', since: at(3600) } as const;
    const settled = holding(2, { inMesh: written, knownSince: at(-10) });
    expect(use({ peers: [{ trustDomain: peerB, holding: settled }] })).toMatchObject({ safe: true });
    const fresh = holding(2, { inMesh: { progress: 'in-effect', since: at(0) }, knownSince: now });
    expect(use({ peers: [{ trustDomain: peerB, holding: fresh }] })).toMatchObject({ safe: true });
    const [missing] = use({
      peers: [{ trustDomain: peerB, holding: { ...settled, knownSince: at(-4) } }],
    }).missing;
    expect(missing?.safeAt).toEqual(at(6));
  });

  it('gives a peer that never said anything three hints, and no longer', () => {
    const peers = [{ trustDomain: peerC }];
    const verdict = use({ peers });
    expect(codes(verdict)).toEqual(['never-seen']);
    expect(verdict.missing[0]?.safeAt).toEqual(at(600));
    expect(use({ peers, now: at(600) })).toEqual({
      safe: true,
      missing: [],
      taken: [{ who: peerC, by: 'time' }],
    });
  });

  it('does not let time stand for a peer that proves what it holds', () => {
    const peers = [{ trustDomain: peerB, holding: holding(1) }];
    expect(codes(use({ peers, now: at(365 * 24 * 3600 - 1) }))).toEqual(['peer-behind']);
  });

  it('takes it from a poller that has fetched it, or shows its tag, that it has it', () => {
    for (const seen of [
      { servedTag: '"2"', servedTagSince: at(-10) },
      { heldTag: '"2"', heldTagSince: at(-10) },
      { heldTag: '"1"', heldTagSince: at(-900), servedTag: '"2"', servedTagSince: at(-10) },
    ]) {
      const expected = { safe: true, taken: [{ who: peerB, by: 'fetch' }] };
      expect(use({ peers: [{ trustDomain: peerB, poller: poller(seen) }] })).toMatchObject(expected);
      expect(use({ pollers: [poller(seen)] })).toMatchObject({ taken: [{ who: '192.0.2.9', by: 'fetch' }] });
    }
    const justNow = poller({ servedTag: '"2"', servedTagSince: at(-1) });
    expect(use({ pollers: [justNow] }).missing).toMatchObject([
      { code: 'settling', poller: '192.0.2.9', safeAt: at(9) },
    ]);
  });

  it('waits for a poller that nobody knows and that has the version before, but not for one that is gone', () => {
    const behind = poller({ heldTag: '"1"', heldTagSince: at(-9000) });
    expect(use({ pollers: [behind] }).missing).toMatchObject([
      { code: 'poller-behind', poller: '192.0.2.9', safeAt: at(600) },
    ]);
    expect(use({ pollers: [behind], now: at(600) })).toMatchObject({ safe: true });
    // Fifteen minutes before the root was out it asked last.
    expect(use({ pollers: [{ ...behind, lastSeenAt: at(-1201) }] })).toMatchObject({ safe: true });
    expect(use({ pollers: [{ ...behind, lastSeenAt: at(-1200) }] })).toMatchObject({ safe: false });
  });

  it('gives every poller three hints when more poll than can be remembered, so that none is pushed off the list', () => {
    expect(use({ forgotAt: at(-1201) })).toMatchObject({ safe: true });
    const verdict = use({ forgotAt: at(-10) });
    expect(verdict.missing).toMatchObject([{ code: 'pollers-forgotten', safeAt: at(600) }]);
    expect(use({ forgotAt: at(-10), now: at(600) })).toMatchObject({ safe: true });
  });

  it('is never safe with a root that is over or not valid yet', () => {
    const [signing, next] = [ownRoot(1, 'in-use'), ownRoot(2, 'published')];
    const judged = (rest: Partial<OwnRoot['authority']>) =>
      codes(use({ roots: [signing, { life: next.life, authority: { ...next.authority, ...rest } }] }));
    expect(judged({})).toEqual([]);
    expect(judged({ notBefore: at(1) })).toEqual(['root-not-yet-valid']);
    expect(judged({ notAfter: now })).toEqual(['root-expired']);
  });
});

describe('a root that other programs cannot read', () => {
  const odd = (number: number, stage: 'published' | 'in-use') => {
    const root = ownRoot(number, stage);
    return { ...root, authority: { ...root.authority, ...unreadableRoot() } };
  };

  it('is never safe to use, and neither is a root next to it', () => {
    const roots = [odd(1, 'in-use'), ownRoot(2, 'published')];
    expect(codes(use({ roots }))).toEqual(['root-not-portable']);
    expect(use({ roots }).missing[0]?.message).toContain('its serial number is negative');
    const itself = use({ roots: [ownRoot(1, 'in-use'), odd(2, 'published')], peers: [] });
    expect(codes(itself)).toEqual(['root-not-portable']);
  });

  it('does not stand in the way of its own end, only of that of others', () => {
    const signing = ownRoot(2, 'in-use', { inUseAt: at(-3600) });
    const ended = { publishedAt: at(-9000), retiringAt: at(-3600) };
    const retiring = ownRoot(1, 'retiring', ended);
    const bad = { ...retiring, authority: { ...retiring.authority, ...unreadableRoot() } };
    expect(judgeRetire(bad, viewOf({ roots: [bad, signing] }))).toMatchObject({ safe: true });
    const third = odd(3, 'published');
    expect(codes(judgeRetire(retiring, viewOf({ roots: [retiring, signing, third] })))).toEqual([
      'root-not-portable',
    ]);
  });

  it('is a finding that makes a working rotation impossible', () => {
    const { times } = viewOf();
    const found = planRoots([odd(1, 'in-use'), ownRoot(2, 'published')], times, now);
    expect(found).toMatchObject([{ level: 'impossible', code: 'root-not-portable' }]);
  });
});

describe('judgeRetire()', () => {
  const retiring = ownRoot(1, 'retiring', { publishedAt: at(-9000), retiringAt: at(-3600) });
  const successor = ownRoot(2, 'in-use', { inUseAt: at(-3600) });
  const retire = (rest: Partial<RotationView> = {}, root = retiring) =>
    judgeRetire(root, viewOf({ roots: [root, successor], ...rest }));

  it('is safe when another root signs that every peer has, and all that this one signed is over', () => {
    expect(retire()).toEqual({ safe: true, missing: [], taken: [] });
  });

  it('waits for the end of the identities that it signed', () => {
    const verdict = retire({}, ownRoot(1, 'retiring', { retiringAt: at(-3590) }));
    expect(verdict.missing).toMatchObject([{ code: 'identities-alive', safeAt: at(10) }]);
  });

  it('is not safe while it signs, or while nothing else does', () => {
    expect(codes(retire({}, ownRoot(1, 'in-use')))).toEqual(['still-signing']);
    expect(codes(retire({ roots: [retiring] }))).toEqual(['no-successor']);
  });

  it('is not safe while a peer does not have the root that signs', () => {
    expect(codes(retire({ peers: [{ trustDomain: peerB, holding: holding(1) }] }))).toEqual(['peer-behind']);
  });

  it('is never safe where it is not known what signs', () => {
    expect(codes(retire({ signingKnown: false }))).toEqual(['signing-unknown']);
  });

  it('lets a root go that was published and never signed', () => {
    expect(retire({}, ownRoot(3, 'published'))).toMatchObject({ safe: true });
    expect(retire({ versions: [ownVersion(1, [1])] }, ownRoot(3, 'published'))).toMatchObject({
      safe: false,
    });
  });
});
