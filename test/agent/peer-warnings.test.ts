import { describe, expect, it } from 'vitest';
import { ownWarnings } from '../../src/agent/own-warnings.ts';
import { type PeerFacts, peerWarnings } from '../../src/agent/peer-warnings.ts';
import { bundleOf, type TrustBundle, type X509Authority } from '../../src/spiffe/index.ts';
import type { DistrustedKey } from '../../src/store/index.ts';
import { INSTANT as now, madeUpBundle, madeUpRoot } from '../federation/made-up-bundle.ts';
import { istio, relationship } from '../store/sample-bundles.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const later = (ms: number) => new Date(now.getTime() + ms);
const lasting = madeUpRoot('lasting', { notAfter: later(3650 * DAY_MS) });
const root = (name: string, endsInMs: number, lifeMs = 365 * DAY_MS): X509Authority => ({
  ...madeUpRoot(name, { notAfter: later(endsInMs) }),
  notBefore: later(endsInMs - lifeMs),
});
const holding = (...roots: X509Authority[]): TrustBundle => madeUpBundle(istio, roots);
const distrusted = (authority: X509Authority): DistrustedKey => ({
  trustDomain: istio,
  keyFingerprint: authority.keyFingerprint,
  label: 'aaaaaa CN=one',
  at: later(-HOUR_MS),
  actor: 'operator:ann',
  reason: 'stolen',
});

function facts(bundle: TrustBundle | undefined, rest: Partial<PeerFacts> = {}): PeerFacts {
  return {
    relationship: { ...relationship(), lastSuccessAt: now },
    held: bundle,
    undistrusted: bundle,
    distrusted: [],
    theirSide: undefined,
    inMesh: undefined,
    pollIntervalMs: 300_000,
    ...rest,
  };
}
const codes = (given: PeerFacts) => peerWarnings(given, now).map(({ code }) => code);

describe('peerWarnings()', () => {
  it('reports nothing of a healthy peer', () => {
    expect(codes(facts(holding(lasting)))).toEqual([]);
  });

  it('reports that no root counts where the last one is distrusted, and since when', () => {
    const one = { held: holding(lasting), undistrusted: holding(), distrusted: [distrusted(lasting)] };
    expect(peerWarnings(facts(undefined, one), now)).toMatchObject([
      { trust_domain: istio, code: 'peer-keys-distrusted', since: later(-HOUR_MS).toISOString() },
    ]);
  });

  it.each([
    ['a year of life, eight days left', root('one', 8 * DAY_MS), []],
    ['a year of life, six days left', root('one', 6 * DAY_MS), ['peer-roots-end']],
    ['a day of life, twelve hours left', root('one', 12 * HOUR_MS, DAY_MS), []],
    ['a day of life, four hours left', root('one', 4 * HOUR_MS, DAY_MS), ['peer-roots-end']],
    ['ended this moment', root('one', 0), ['peer-roots-ended']],
  ])('warns of the end of the last root: %s', (_what, last, expected) => {
    expect(codes(facts(holding(last)))).toEqual(expected);
  });

  it('reports no end while another root lasts longer, unless that one is distrusted', () => {
    const ending = root('one', DAY_MS);
    expect(codes(facts(holding(ending, lasting)))).toEqual([]);
    expect(codes(facts(holding(root('dead', -DAY_MS), lasting)))).toEqual([]);
    const rest = { undistrusted: holding(ending), distrusted: [distrusted(lasting)] };
    expect(codes(facts(holding(ending, lasting), rest))).toEqual(['peer-roots-end']);
  });

  it('warns of a peer that has revoked everything, of a stale one, and of one with an endpoint that cannot be verified', () => {
    expect(codes(facts(holding()))).toEqual(['no-usable-keys']);
    for (const [state, code] of [
      ['stale', 'trust-stale'],
      ['needs-bootstrap', 'needs-bootstrap'],
    ] as const) {
      const stands = { ...relationship(), state, stateReason: { code: 'x', message: 'why' } };
      expect(peerWarnings(facts(holding(lasting), { relationship: stands }), now)).toMatchObject([
        { code, message: 'why' },
      ]);
    }
  });

  it('warns of a limit of age that is not above the time between two polls', () => {
    const short = (staleAfterSeconds: number) =>
      codes(facts(holding(lasting), { relationship: { ...relationship(), staleAfterSeconds } }));
    expect(short(10)).toEqual(['stale-after-short']);
    expect(short(300)).toEqual(['stale-after-short']);
    expect(short(301)).toEqual([]);
  });

  it('warns of a mesh that refuses what counts, and of a peer that dropped us', () => {
    const inMesh = { trustDomain: istio, state: 'refused', code: 'too-large', message: 'too large', at: now };
    expect(codes(facts(holding(lasting), { inMesh: inMesh as PeerFacts['inMesh'] }))).toEqual([
      'mesh-refused',
    ]);
    expect(codes(facts(holding(lasting), { theirSide: { state: 'ended', since: now } }))).toEqual([
      'peer-dropped-us',
    ]);
  });
});

describe('ownWarnings()', () => {
  const own = (published: TrustBundle | undefined, rest: object = {}) =>
    ownWarnings({ published, reported: published, distrusted: [], impossible: [], ...rest }, now).map(
      ({ code }) => code,
    );

  it('reports nothing before the first report of the mesh, and of roots that last', () => {
    expect(own(undefined)).toEqual([]);
    expect(own(holding(lasting))).toEqual([]);
  });

  it('names each root that has ended, and reports when none is left', () => {
    const dead = root('dead', -DAY_MS);
    expect(own(holding(dead, lasting))).toEqual(['own-root-ended']);
    expect(own(holding(dead))).toEqual(['own-root-ended']);
    expect(own(holding(dead, root('one', DAY_MS)))).toEqual(['own-root-ends', 'own-root-ended']);
  });

  it('reports that we publish no root where all are distrusted', () => {
    const rest = { reported: holding(lasting), distrusted: [distrusted(lasting)] };
    expect(own(bundleOf(istio, []), rest)).toEqual(['own-keys-distrusted']);
    expect(own(bundleOf(istio, []))).toEqual([]);
  });

  it('passes on what is impossible about the rotation', () => {
    const impossible = [{ code: 'root-ends', message: 'too late', since: now.toISOString() }];
    expect(own(holding(lasting), { impossible })).toEqual(['root-ends']);
    expect(own(undefined, { impossible })).toEqual(['root-ends']);
  });
});
