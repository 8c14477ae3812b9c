import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ForeignTrustReport, MeshAdapter, OwnTrust } from '../../src/mesh-adapters/index.ts';
import { bundleOf, contentDigest, parseTrustDomain, type TrustDomain } from '../../src/spiffe/index.ts';
import { HOSTILE_PEERS } from '../hostile-peers.ts';
import { createTestCa } from '../test-ca.ts';

/** A mesh with an adapter beside it, as the contract needs them. */
export interface MeshHarness {
  readonly adapter: MeshAdapter;
  readonly trustDomain: TrustDomain;
  /** Gives the mesh one more root of its own. */
  addOwnRoot(): Promise<void>;
  /** The key fingerprints of the foreign roots that the mesh itself holds now, by trust domain; without those that hold none. */
  held(): Promise<Record<string, string[]>>;
  /** Everything in the mesh that the adapter could have touched, so that "nothing changed" can be seen. */
  state(): Promise<string>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** What every adapter must do, whatever the mesh. */
export function meshAdapterContract(name: string, open: () => Promise<MeshHarness>): void {
  describe(`${name} keeps the contract of mesh adapters:`, () => {
    let mesh: MeshHarness;
    const { signal } = new AbortController();
    beforeEach(async () => {
      mesh = await open();
    });
    afterEach(() => mesh[Symbol.asyncDispose]());

    const peer = (trustDomain: string) => createTestCa({ trustDomain });
    const apply = async (...bundles: Parameters<MeshAdapter['applyForeignTrust']>[0]) =>
      states(await mesh.adapter.applyForeignTrust(bundles, signal));

    it('watchOwnTrust() gives the own trust now, and again after a change', async () => {
      const ended = new AbortController();
      const seen: OwnTrust[] = [];
      for await (const own of mesh.adapter.watchOwnTrust(ended.signal)) {
        seen.push(own);
        if (seen.length === 1) await mesh.addOwnRoot();
        else ended.abort();
      }
      expect(seen.map(({ trustDomain, roots }) => [trustDomain, roots.length])).toEqual([
        [mesh.trustDomain, 1],
        [mesh.trustDomain, 2],
      ]);
      expect(mesh.adapter.status().connected).toBe(true);
    });

    it('applyForeignTrust() makes the mesh hold what is wanted, and doing it again changes nothing', async () => {
      const west = await peer('west.example');
      const north = await peer('north.example');
      const reports = await mesh.adapter.applyForeignTrust([west.bundle(), north.bundle()], signal);
      for (const report of reports) expect(['written', 'accepted']).toContain(report.state);
      expect(reports.map(({ digest }) => digest)).toEqual([
        contentDigest(west.bundle()),
        contentDigest(north.bundle()),
      ]);
      const holding = {
        'west.example': [west.authority.keyFingerprint],
        'north.example': [north.authority.keyFingerprint],
      };
      expect(await mesh.held()).toEqual(holding);
      const before = await mesh.state();
      await apply(north.bundle(), west.bundle());
      expect(await mesh.state()).toBe(before);
    });

    it('applyForeignTrust() follows a rotation: the new root beside the old one, then alone', async () => {
      const [old, next] = [await peer('west.example'), await peer('west.example')];
      await apply(old.bundle());
      await apply(bundleOf(old.trustDomain, [old.authority, next.authority]));
      const both = [old.authority.keyFingerprint, next.authority.keyFingerprint].sort();
      expect((await mesh.held())['west.example']?.sort()).toEqual(both);
      await apply(next.bundle());
      expect(await mesh.held()).toEqual({ 'west.example': [next.authority.keyFingerprint] });
    });

    it('applyForeignTrust() removes what is no longer wanted and leaves no trace of it', async () => {
      // The first write may leave a place to write to behind, as an empty map or list of ours.
      await apply();
      const before = await mesh.state();
      const west = await peer('west.example');
      await apply(west.bundle());
      expect(await mesh.held()).not.toEqual({});
      expect(await apply()).toEqual({ 'west.example': 'removed' });
      expect(await mesh.held()).toEqual({});
      expect(await mesh.state()).toBe(before);
    });

    it('presentTrust() names what bears our mark, and kept trust stays as it is while others are written', async () => {
      const [west, north] = [await peer('west.example'), await peer('north.example')];
      const names = async () =>
        (await mesh.adapter.presentTrust(signal)).map(({ trustDomain }) => trustDomain).sort();
      expect(await names()).toEqual([]);
      await apply(west.bundle());
      const [present] = await mesh.adapter.presentTrust(signal);
      expect(present).toMatchObject({ trustDomain: 'west.example' });
      expect(present?.where).not.toBe('');
      for (const { keyFingerprint } of present?.roots ?? [])
        expect(keyFingerprint).toBe(west.authority.keyFingerprint);
      const kept = new Set([west.trustDomain]);
      const alone = await mesh.adapter.applyForeignTrust([], signal, new Set(), kept);
      expect(alone).toEqual([]);
      const reports = await mesh.adapter.applyForeignTrust([north.bundle()], signal, new Set(), kept);
      expect(Object.keys(states(reports))).toEqual(['north.example']);
      const holding = {
        'west.example': [west.authority.keyFingerprint],
        'north.example': [north.authority.keyFingerprint],
      };
      expect(await mesh.held()).toEqual(holding);
      expect(await names()).toEqual(['north.example', 'west.example']);
      const before = await mesh.state();
      await mesh.adapter.applyForeignTrust([north.bundle()], signal, new Set(), kept);
      expect(await mesh.state()).toBe(before);
      // Federated again: the same root goes on without a gap, and the peer can be removed as any other.
      await apply(north.bundle(), west.bundle());
      expect(await mesh.held()).toEqual(holding);
      expect(await apply(north.bundle())).toMatchObject({ 'west.example': 'removed' });
      expect(Object.keys(await mesh.held())).toEqual(['north.example']);
    });

    it('applyForeignTrust() takes a bundle without roots as the revocation of all', async () => {
      const west = await peer('west.example');
      await apply(west.bundle());
      expect(await mesh.held()).not.toEqual({});
      await apply(bundleOf(west.trustDomain, []));
      expect(await mesh.held()).toEqual({});
    });

    it('applyForeignTrust() refuses one trust domain and goes on with the others', async () => {
      const west = await peer('west.example');
      const own = await createTestCa({ trustDomain: mesh.trustDomain });
      const [refused, written] = await mesh.adapter.applyForeignTrust([own.bundle(), west.bundle()], signal);
      expect(refused).toMatchObject({ state: 'refused', code: 'own-trust-domain' });
      expect(['written', 'accepted']).toContain(written?.state);
      expect(await mesh.held()).toEqual({ 'west.example': [west.authority.keyFingerprint] });
    });

    it('applyForeignTrust() refuses a peer that brings a root of this mesh, and one that brings a root of another', async () => {
      const ended = new AbortController();
      let own: OwnTrust | undefined;
      for await (const trust of mesh.adapter.watchOwnTrust(ended.signal)) {
        own = trust;
        ended.abort();
      }
      const west = await peer('west.example');
      await apply(west.bundle());
      const [w, thief, copycat] = await mesh.adapter.applyForeignTrust(
        [
          west.bundle(),
          bundleOf(parseTrustDomain('thief.example'), own?.roots ?? []),
          bundleOf(parseTrustDomain('a-copycat.example'), [west.authority]),
        ],
        signal,
      );
      expect(['written', 'accepted']).toContain(w?.state);
      expect(thief).toMatchObject({ state: 'refused', code: 'root-is-own' });
      expect(copycat).toMatchObject({ state: 'refused', code: 'root-of-another-peer' });
      expect(await mesh.held()).toEqual({ 'west.example': [west.authority.keyFingerprint] });
    });

    it.each([
      'cluster.local',
      'under_score.example',
      '10.0.0.1',
      '.',
      '..',
    ])('applyForeignTrust() refuses the trust domain %s', async (trustDomain) => {
      const west = await peer('west.example');
      const named = bundleOf(parseTrustDomain(trustDomain), [west.authority]);
      expect(await apply(named)).toEqual({ [trustDomain]: 'refused' });
      expect(await mesh.held()).toEqual({});
    });

    it.each(
      HOSTILE_PEERS,
    )('applyForeignTrust() refuses a peer with %s, and takes out what ends for another', async (_what, make, code) => {
      const hostile = await make();
      const [old, next, north] = [
        await peer('west.example'),
        await peer('west.example'),
        await peer('north.example'),
      ];
      await apply(bundleOf(old.trustDomain, [old.authority, next.authority]), north.bundle());
      const [refused, honest, gone] = await mesh.adapter.applyForeignTrust([hostile, next.bundle()], signal);
      expect(refused).toMatchObject({ trustDomain: hostile.trustDomain, state: 'refused', code });
      expect(['written', 'accepted']).toContain(honest?.state);
      expect(gone).toMatchObject({ trustDomain: 'north.example', state: 'removed' });
      expect(await mesh.held()).toEqual({ 'west.example': [next.authority.keyFingerprint] });
      const before = await mesh.state();
      await apply(hostile, next.bundle());
      expect(await mesh.state()).toBe(before);
    });

    it('applyForeignTrust() leaves of a peer that becomes too large what is there and what it still lists', async () => {
      const [, make] = HOSTILE_PEERS.find(([, , code]) => code === 'too-many-roots') ?? [];
      const large = await make?.();
      if (!large) throw new Error('there is a peer with too many roots');
      const { trustDomain } = large;
      const ended = await peer(trustDomain);
      const [stays] = large.x509Authorities;
      if (!stays) throw new Error('it has roots');
      await apply(bundleOf(trustDomain, [ended.authority, stays]));
      expect(await apply(large)).toEqual({ [trustDomain]: 'refused' });
      expect(await mesh.held()).toEqual({ [trustDomain]: [stays.keyFingerprint] });
    });

    it('applyForeignTrust() leaves an expired root out and writes the others', async () => {
      const west = await peer('west.example');
      const expired = await createTestCa({
        trustDomain: 'west.example',
        notBefore: new Date('2001-01-01T00:00:00Z'),
        notAfter: new Date('2002-01-01T00:00:00Z'),
      });
      const both = bundleOf(west.trustDomain, [expired.authority, west.authority]);
      const [report] = await mesh.adapter.applyForeignTrust([both], signal);
      expect(report).toMatchObject({ code: 'root-expired' });
      expect(await mesh.held()).toEqual({ 'west.example': [west.authority.keyFingerprint] });
      const [refused] = await mesh.adapter.applyForeignTrust([expired.bundle()], signal);
      expect(refused).toMatchObject({ state: 'refused', code: 'no-usable-root' });
    });
  });
}

function states(reports: readonly ForeignTrustReport[]): Record<string, string> {
  return Object.fromEntries(reports.map(({ trustDomain, state }) => [trustDomain, state]));
}
