import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  bundleOf,
  contentDigest,
  type JwtAuthority,
  parseSpiffeId,
  serializeBundle,
  type TrustBundle,
} from '../../src/spiffe/index.ts';
import { type BundleVersion, type Store, StoreError } from '../../src/store/index.ts';
import {
  added,
  at,
  bundle,
  consul,
  istio,
  outage,
  relationship,
  roots,
  start,
  version,
} from '../../test/store/sample-bundles.ts';

const label = (number: number) =>
  `${roots[number - 1]?.fingerprint.slice(0, 6)} ${roots[number - 1]?.subject}`;
const labels = (refs: readonly { label: string }[]) => refs.map((ref) => ref.label).sort();
/** The public members of a new P-256 key. */
const jwk = (): Record<string, string> => {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { kty = '', crv = '', x = '', y = '' } = publicKey.export({ format: 'jwk' });
  return { kty, crv, x, y };
};

/** What every store must do; each implementation calls it with a way to open an empty one. */
export function describeStoreContract(name: string, open: () => Promise<Store>): void {
  describe(`${name}, as every store`, () => {
    let store: Store;
    beforeEach(async () => {
      store = await open();
    });
    afterEach(async () => {
      await store.close();
    });

    const federate = (numbers: readonly number[], sequence: bigint) =>
      store.addRelationship(relationship(), version(bundle(numbers, sequence), start, 'bootstrap'), added());
    const replace = (numbers: readonly number[], sequence: bigint | undefined, when = at(60)) =>
      store.current(istio).then((held) =>
        store.replaceCurrent({
          trustDomain: istio,
          expectedDigest: held?.digest ?? null,
          version: version(bundle(numbers, sequence), when),
        }),
      );

    it('trustedAt() tells what was trusted at an instant, over all trust domains, and which keys did not count then', async () => {
      await federate([1], 1n);
      await store.addRelationship(
        relationship(consul, at(10)),
        version(bundle([3], 1n, consul), at(10), 'bootstrap'),
        added(consul, at(10)),
      );
      await replace([1, 2], 2n, at(60));
      const keyFingerprint = roots[0]?.keyFingerprint ?? '';
      const decision = { trustDomain: istio, keyFingerprint, actor: 'operator:1', reason: 'stolen' };
      await store.distrustKey({ ...decision, label: 'root 1', at: at(70), until: at(200) });
      await store.trustKeyAgain({ ...decision, at: at(80), decision: 'trusted-again' });
      await store.distrustKey({ ...decision, label: 'root 1', at: at(90), until: at(200) });
      await store.removeRelationship(consul, { at: at(100), actor: 'operator:1', reason: 'over' });
      const eventsAt = async (seconds: number) =>
        (await store.trustedAt(at(seconds))).map(
          ({ version: { trustDomain, number }, distrusted }) =>
            `${trustDomain} ${number} without ${distrusted.length}`,
        );
      expect(await eventsAt(-1)).toEqual([]);
      expect(await eventsAt(0)).toEqual(['istio.example 1 without 0']);
      expect(await eventsAt(10)).toEqual(['consul.example 1 without 0', 'istio.example 1 without 0']);
      expect(await eventsAt(75)).toEqual(['consul.example 1 without 0', 'istio.example 2 without 1']);
      expect(await eventsAt(85)).toEqual(['consul.example 1 without 0', 'istio.example 2 without 0']);
      expect(await eventsAt(150)).toEqual(['istio.example 2 without 1']);
      // Its time was over, whether or not that was put on record.
      expect(await eventsAt(200)).toEqual(['istio.example 2 without 0']);
    });

    it('everHeld() knows each content that ever was the trusted one, and no other', async () => {
      await federate([1], 1n);
      await replace([2], 2n);
      const held = async (numbers: readonly number[]) =>
        store.everHeld(istio, contentDigest(bundle(numbers)));
      expect([await held([1]), await held([2]), await held([1, 2])]).toEqual([true, true, false]);
      expect(await store.everHeld(consul, contentDigest(bundle([1])))).toBe(false);
    });

    it('peerHeads() keeps what each peer showed, newest first', async () => {
      const head = (trustDomain: typeof istio, number: number) => ({
        trustDomain,
        seenAt: at(number),
        at: at(number),
        number,
        hash: 'ab'.repeat(32),
        chain: 'cd'.repeat(32),
        signer: `spiffe://${trustDomain}/federate`,
        statement: `the ${number}th`,
      });
      for (const kept of [head(istio, 1), head(consul, 2), head(istio, 3)]) await store.recordPeerHead(kept);
      expect(await store.peerHeads(istio)).toEqual([head(istio, 3), head(istio, 1)]);
      expect(await store.peerHeads(istio, { limit: 1 })).toEqual([head(istio, 3)]);
      expect(await store.peerHeads(consul)).toEqual([head(consul, 2)]);
    });

    it('recordPeerHead() thins old heads: the newest 64 of a peer stay, and of older ones the last of each day', async () => {
      const hour = 3600;
      for (let number = 1; number <= 200; number += 1)
        await store.recordPeerHead({
          trustDomain: istio,
          seenAt: at(number * 6 * hour),
          at: at(number * 6 * hour),
          number,
          hash: 'ab'.repeat(32),
          chain: 'cd'.repeat(32),
          signer: 'spiffe://istio.example/federate',
          statement: `the ${number}th`,
        });
      const kept = (await store.peerHeads(istio, { limit: 1000 })).map(({ number }) => number).toReversed();
      const newest = Array.from({ length: 64 }, (_, index) => 137 + index);
      expect(kept.slice(-64)).toEqual(newest);
      // The start is noon: the last head before midnight of the first day is the first one, then every fourth.
      expect(kept.slice(0, -64)).toEqual(Array.from({ length: 34 }, (_, index) => 1 + 4 * index));
    });

    it('versionMarks() and currentMark() tell what comparisons need, as history() and current() have it', async () => {
      expect(await store.currentMark(istio)).toBeUndefined();
      await federate([1], 1n);
      await replace([1, 2], 2n, at(60));
      await store.noteUnchanged(istio, at(61), { sequence: 9n });
      const history = await store.history(istio);
      expect(await store.versionMarks(istio)).toEqual(
        history.map(({ number, digest, receivedAt, origin, bundle: { sequence } }) => ({
          number,
          digest,
          receivedAt,
          origin,
          sequence,
        })),
      );
      expect(await store.versionLines(istio)).toEqual(
        history.map((each) => {
          const { bundle: held, document: _, ...rest } = each;
          return { ...rest, sequence: held.sequence };
        }),
      );
      expect(await store.versionLines(istio, { limit: 1, before: 2 })).toMatchObject([{ number: 1 }]);
      expect(await store.versionMarks(istio, { limit: 1, before: 2 })).toMatchObject([{ number: 1 }]);
      expect(await store.currentMark(istio)).toMatchObject({ number: 2, sequence: 9n });
      expect(await store.versionMarks(consul)).toEqual([]);
    });

    it('chains every row it writes, and gives the links in pages', async () => {
      expect(await store.chainHead()).toBeUndefined();
      await federate([1], 1n);
      await store.recordEvent({
        at: at(1),
        kind: 'mesh-updated',
        actor: 'agent',
        message: 'it is in the mesh',
      });
      const links = await store.chainLinks();
      expect(links.map(({ number, table, rowId }) => `${number} ${table} ${rowId}`)).toEqual([
        '1 bundle_version 1',
        '2 event 1',
        '3 event 2',
      ]);
      const { number, hash } = links[2] ?? {};
      expect(await store.chainHead()).toEqual({ number, hash });
      expect(await store.chainLinks({ after: 1, limit: 1 })).toEqual([links[1]]);
      await expect(store.chainLinks({ after: -1 })).rejects.toThrow(RangeError);
      // Freshness is no history.
      await store.noteUnchanged(istio, at(2), { sequence: 2n });
      await store.setMeta('key', 'value');
      expect(await store.chainHead()).toEqual({ number, hash });
    });

    it('events() gives those of a time, of some kinds, and after a number, oldest first only then', async () => {
      const kinds = ['key-distrusted', 'agent-started', 'key-trusted-again', 'agent-stopped'] as const;
      for (const [index, kind] of kinds.entries()) {
        const about = kind.startsWith('key') ? { trustDomain: istio } : {};
        await store.recordEvent({ at: at(index), kind, actor: 'agent', message: kind, ...about });
      }
      const found = async (filter: Parameters<Store['events']>[0]) =>
        (await store.events(filter)).map(({ kind }) => kind);
      const [started, again, stopped] = [kinds[1], kinds[2], kinds[3]];
      expect(await found({ since: at(1) })).toEqual([stopped, again, started]);
      expect(await found({ since: at(1), until: at(3) })).toEqual([again, started]);
      expect(await found({ kinds: ['agent-started', 'agent-stopped'] })).toEqual([stopped, started]);
      expect(await found({ kinds: [] })).toEqual([]);
      expect(await found({ kinds: ['agent-started'], trustDomain: istio })).toEqual([]);
      expect(await found({ trustDomain: istio, since: at(1) })).toEqual([again]);
      const [, , second] = await store.events();
      expect(await found({ after: second?.id ?? 0 })).toEqual([again, stopped]);
      expect(await found({ after: second?.id ?? 0, limit: 1 })).toEqual([again]);
      expect(await found({ after: 1_000_000 })).toEqual([]);
    });

    it('addRelationship() keeps the relationship, its first version and the audit line together', async () => {
      await federate([1], 5n);
      expect(await store.relationships()).toEqual([relationship()]);
      const current = await store.current(istio);
      expect(current).toMatchObject({
        trustDomain: istio,
        number: 1,
        verdict: 'bootstrap',
        digest: contentDigest(bundle([1])),
        bundle: { sequence: 5n },
      });
      expect(current?.document).toEqual(new Uint8Array(serializeBundle(bundle([1], 5n))));
      expect(labels(current?.diff.added ?? [])).toEqual([label(1)]);
      expect(await store.events({ trustDomain: istio })).toMatchObject([{ ...added(), versionNumber: 1 }]);
    });

    it('distrustKey() and trustKeyAgain() keep the newest word about a key, each with an event', async () => {
      const key = {
        trustDomain: istio,
        keyFingerprint: 'a'.repeat(64),
        label: 'aaaaaa CN=Root',
        at: at(1),
        actor: 'operator:ann',
        reason: 'stolen',
      };
      const again = {
        ...key,
        at: at(4),
        actor: 'operator:bob',
        reason: 'found',
        decision: 'trusted-again' as const,
      };
      expect(await store.distrustedKeys()).toEqual([]);
      await store.distrustKey(key);
      await store.distrustKey({ ...key, trustDomain: consul, at: at(2) });
      await store.distrustKey({ ...key, at: at(3), until: at(99), reason: 'stolen\u0000, surely' });
      expect(await store.distrustedKeys()).toEqual(
        [
          { ...key, trustDomain: consul, at: at(2) },
          { ...key, at: at(3), until: at(99), reason: 'stolen\ufffd, surely' },
        ].sort((a, b) => (a.trustDomain < b.trustDomain ? -1 : 1)),
      );
      expect(await store.trustKeyAgain(again)).toBe(true);
      expect(await store.trustKeyAgain(again)).toBe(false);
      expect((await store.distrustedKeys()).map(({ trustDomain }) => trustDomain)).toEqual([consul]);
      const events = await store.events({ trustDomain: istio });
      expect(events.map(({ kind, actor }) => [kind, actor])).toEqual([
        ['key-trusted-again', 'operator:bob'],
        ['key-distrusted', 'operator:ann'],
        ['key-distrusted', 'operator:ann'],
      ]);
      expect(events[0]?.message).toContain('aaaaaa CN=Root');
      await expect(store.distrustKey({ ...key, keyFingerprint: 'A' })).rejects.toBeInstanceOf(TypeError);
    });

    it('rejectOffer() and reconsiderOffer() keep the newest word about an offer, each with an event', async () => {
      const offer = {
        trustDomain: istio,
        digest: 'b'.repeat(64),
        at: at(1),
        actor: 'operator:ann',
        reason: 'not theirs',
      };
      expect(await store.rejection(istio, offer.digest)).toBeUndefined();
      await store.rejectOffer(offer);
      await store.rejectOffer({ ...offer, trustDomain: consul });
      expect(await store.rejection(istio, offer.digest)).toEqual(offer);
      expect(await store.rejection(istio, 'c'.repeat(64))).toBeUndefined();
      expect(await store.rejectedOffers(istio)).toEqual([offer]);
      expect(await store.rejectedOffers()).toHaveLength(2);
      expect(await store.reconsiderOffer({ ...offer, at: at(2), reason: 'it is' })).toBe(true);
      expect(await store.reconsiderOffer({ ...offer, at: at(2), reason: 'it is' })).toBe(false);
      expect(await store.rejectedOffers(istio)).toEqual([]);
      expect((await store.events({ trustDomain: istio })).map(({ kind }) => kind)).toEqual([
        'offer-reconsidered',
        'offer-rejected',
      ]);
      await expect(store.rejectOffer({ ...offer, digest: '' })).rejects.toBeInstanceOf(TypeError);
    });

    it('recordIncident() tells since when and how often the very offer it shows was seen', async () => {
      const eventsAt = { ...outage, kind: 'bundle-quarantined' as const, code: 'all-roots-replaced' };
      const seen = async () => (await store.incidents({ trustDomain: istio }))[0];
      await store.recordIncident({ ...eventsAt, at: at(1), offered: bundle([2], 7n) });
      await store.recordIncident({ ...eventsAt, at: at(2), offered: bundle([2], 8n) });
      expect(await seen()).toMatchObject({
        count: 2,
        offer: { digest: contentDigest(bundle([2])), since: at(1), times: 2 },
      });
      await store.recordIncident({ ...eventsAt, at: at(3), offered: bundle([3], 9n) });
      expect(await seen()).toMatchObject({
        at: at(1),
        count: 3,
        offer: { digest: contentDigest(bundle([3])), since: at(3), times: 1 },
      });
      await store.recordIncident({ ...outage, at: at(4) });
      expect((await seen())?.offer).toBeUndefined();
    });

    it('addRelationship() refuses a second one with the same trust domain and changes nothing', async () => {
      await federate([1], 5n);
      await expect(federate([2], 6n)).rejects.toMatchObject({ code: 'relationship-exists' });
      expect((await store.current(istio))?.number).toBe(1);
      expect(await store.history(istio)).toHaveLength(1);
      expect(await store.events()).toHaveLength(1);
    });

    it('addRelationship() takes a relationship whose first bundle is not there yet', async () => {
      const pending = { ...relationship(), state: 'pending' as const };
      await store.addRelationship(pending, undefined, added());
      expect(await store.relationship(istio)).toEqual(pending);
      expect(await store.current(istio)).toBeUndefined();
      expect(await replace([1], 1n)).toMatchObject({ number: 1 });
    });

    it('addRelationship() never keeps a bundle under the name of another trust domain (TDB-39, FED-32)', async () => {
      const foreign = version(bundle([1], 1n, consul));
      await expect(store.addRelationship(relationship(istio), foreign, added())).rejects.toThrow(TypeError);
      expect(await store.relationships()).toEqual([]);
      await expect(
        store.replaceCurrent({ trustDomain: istio, expectedDigest: null, version: foreign }),
      ).rejects.toThrow(TypeError);
    });

    it('addRelationship() takes over a trust domain that was once our own', async () => {
      const own = version(bundle([1], 50n), start, 'own');
      await store.replaceCurrent({ trustDomain: istio, expectedDigest: null, version: own });
      await federate([2], 5n);
      expect(await store.current(istio)).toMatchObject({
        number: 2,
        verdict: 'bootstrap',
        bundle: { sequence: 5n },
      });
      expect((await store.current(istio))?.diff.removed).toEqual([]);
    });

    it('updateRelationship() changes what is named, empties what is null and leaves the rest', async () => {
      await federate([1], 5n);
      const failing = {
        state: 'failing' as const,
        stateReason: { code: 'fetch-connect', message: 'refused' },
        lastAttemptAt: at(1),
        nextPollAt: at(2),
        consecutiveFailures: 3,
        webPkiCaPem: 'PEM',
      };
      expect(await store.updateRelationship(istio, failing)).toBe(true);
      expect(await store.relationship(istio)).toEqual({ ...relationship(), ...failing });
      await store.updateRelationship(istio, {
        state: 'active',
        stateReason: null,
        lastAttemptAt: null,
        nextPollAt: null,
        webPkiCaPem: null,
        consecutiveFailures: 0,
      });
      expect(await store.relationship(istio)).toEqual(relationship());
    });

    it('updateRelationship() keeps the terms agreed with a peer, and leaves out those that are the default', async () => {
      const terms = {
        moreEndpointUrls: ['https://second.example/', 'https://third.example/'],
        agentId: parseSpiffeId(`spiffe://${istio}/agent`),
        policy: 'ask-always',
        staleAfterSeconds: 3600,
      } as const;
      await store.addRelationship({ ...relationship(), ...terms }, undefined, added());
      expect(await store.relationship(istio)).toEqual({ ...relationship(), ...terms });
      const none = {
        moreEndpointUrls: [],
        agentId: null,
        policy: 'ask-on-dangerous',
        staleAfterSeconds: null,
      } as const;
      expect(await store.updateRelationship(istio, none)).toBe(true);
      expect(await store.relationship(istio)).toEqual(relationship());
    });

    it('updateRelationship() counts for the relationship it was asked for, not for a later one of that name', async () => {
      await federate([1], 5n);
      const late = store.updateRelationship(istio, { consecutiveFailures: 7 });
      const removed = store.removeRelationship(istio, { at: at(30), actor: 'operator:0', reason: 'over' });
      const again = store.addRelationship(relationship(), undefined, added());
      expect(await Promise.all([late, removed, again])).toEqual([true, true, undefined]);
      expect((await store.relationship(istio))?.consecutiveFailures).toBe(0);
    });

    it('updateRelationship() says false for one that was removed, and keeps no event', async () => {
      expect(await store.updateRelationship(istio, { state: 'failing' }, added())).toBe(false);
      expect(await store.events()).toEqual([]);
    });

    it('replaceCurrent() adds a version and tells what it added, removed and kept', async () => {
      await federate([1, 2], 5n);
      expect(await replace([2, 3], 6n)).toMatchObject({ number: 2, verdict: 'accepted' });
      const current = await store.current(istio);
      expect(labels(current?.diff.added ?? [])).toEqual([label(3)]);
      expect(labels(current?.diff.removed ?? [])).toEqual([label(1)]);
      expect(labels(current?.diff.kept ?? [])).toEqual([label(2)]);
      expect((await store.history(istio)).map(({ number }) => number)).toEqual([2, 1]);
      expect((await store.history(istio))[0]).toEqual(current);
    });

    it('replaceCurrent() tells its event with the number of the version', async () => {
      await federate([1], 5n);
      const event = { ...added(istio, at(60)), kind: 'bundle-accepted' as const };
      const held = await store.current(istio);
      await store.replaceCurrent({
        trustDomain: istio,
        expectedDigest: held?.digest ?? null,
        version: version(bundle([2], 6n), at(60)),
        event,
      });
      expect((await store.events())[0]).toMatchObject({ ...event, versionNumber: 2 });
    });

    it('replaceCurrent() gives back the very version that is read later', async () => {
      await federate([1], 5n);
      const held = await store.current(istio);
      const offered = { ...version(bundle([2, 1], 7n), at(60)), provedBy: 'leaf ab, root cd' };
      const answer = await store.replaceCurrent({
        trustDomain: istio,
        expectedDigest: held?.digest ?? null,
        version: offered,
      });
      const current = await store.current(istio);
      expect(current).toMatchObject({ provedBy: 'leaf ab, root cd', receivedAt: at(60) });
      expect(answer).toMatchObject({
        digest: current?.digest,
        diff: current?.diff,
        document: current?.document,
      });
    });

    it('replaceCurrent() keeps JWT authorities by key ID and key, and prints no odd key ID', async () => {
      await federate([1], 1n);
      const offer = async (sequence: bigint, jwtAuthorities: JwtAuthority[]) => {
        const offered = bundleOf(istio, bundle([1]).x509Authorities, { sequence, jwtAuthorities });
        const held = await store.current(istio);
        const place = { trustDomain: istio, expectedDigest: held?.digest ?? null };
        await store.replaceCurrent({ ...place, version: version(offered, at(60)) });
        return store.current(istio);
      };
      const [first, second] = [jwk(), jwk()];
      const one = await offer(2n, [{ keyId: 'a', jwk: first }]);
      expect(one?.bundle.jwtAuthorities).toEqual([{ keyId: 'a', jwk: first }]);
      expect(one?.diff).toMatchObject({ added: [{ kind: 'jwt' }], kept: [{ kind: 'x509' }], removed: [] });
      expect(labels(one?.diff.added ?? [])[0]).toMatch(/^[0-9a-f]{6} jwt a$/);
      const two = await offer(3n, [{ keyId: 'a', jwk: second }]);
      expect(two?.diff).toMatchObject({ added: [{ kind: 'jwt' }], removed: one?.diff.added });
      const three = await offer(4n, [{ keyId: 'a\u001b[2J', jwk: second }]);
      expect(labels(three?.diff.added ?? [])[0]).toMatch(/^[0-9a-f]{6} jwt a\ufffd\[2J$/);
    });

    it('replaceCurrent() honours an empty bundle as a revocation', async () => {
      await federate([1], 5n);
      expect(await replace([], 6n)).toMatchObject({ number: 2 });
      expect((await store.current(istio))?.bundle.x509Authorities).toEqual([]);
      expect(labels((await store.current(istio))?.diff.removed ?? [])).toEqual([label(1)]);
    });

    it('replaceCurrent() says conflict when another writer was faster, and writes nothing', async () => {
      await federate([1], 5n);
      const held = await store.current(istio);
      const offer = (numbers: number[], rest = {}) =>
        store.replaceCurrent({
          trustDomain: istio,
          expectedDigest: held?.digest ?? null,
          version: version(bundle(numbers, 6n), at(60)),
          event: { ...added(), kind: 'bundle-accepted' },
          ...rest,
        });
      expect(await offer([2], { expectedSequence: 4n })).toBe('conflict');
      expect(await offer([2], { expectedDigest: null })).toBe('conflict');
      expect(await offer([2], { expectedSequence: 5n })).toMatchObject({ number: 2 });
      expect(await offer([3])).toBe('conflict');
      expect((await store.current(istio))?.digest).toBe(contentDigest(bundle([2])));
      expect(await store.history(istio)).toHaveLength(2);
      expect(await store.events()).toHaveLength(2);
    });

    it('replaceCurrent() keeps a lower sequence out, except on the word of the operator (FED-48, FED-52)', async () => {
      await federate([1], 5n);
      await expect(replace([2], 4n)).rejects.toMatchObject({ code: 'sequence-rolled-back' });
      await expect(replace([1], 4n)).rejects.toMatchObject({ code: 'sequence-rolled-back' });
      expect(await store.history(istio)).toHaveLength(1);
      const held = await store.current(istio);
      const override = {
        trustDomain: istio,
        expectedDigest: held?.digest ?? null,
        version: version(bundle([1], 4n), at(60), 'operator'),
      };
      expect(await store.replaceCurrent(override)).toMatchObject({ number: 2, verdict: 'operator' });
      expect((await store.current(istio))?.bundle.sequence).toBe(4n);
      // Once: from here on the lower number is the one that counts.
      await expect(replace([2], 3n)).rejects.toMatchObject({ code: 'sequence-rolled-back' });
      expect(await replace([2], 5n)).toMatchObject({ number: 3 });
    });

    it('replaceCurrent() takes a bundle without a sequence after one with, and back (FED-49, FED-51)', async () => {
      await federate([1], 5n);
      expect(await replace([2], undefined)).toMatchObject({ number: 2 });
      expect((await store.current(istio))?.bundle.sequence).toBeUndefined();
      expect(await replace([3], 1n)).toMatchObject({ number: 3 });
    });

    it('replaceCurrent() keeps the highest sequence where the caller asks for it, with a lower one and with none', async () => {
      await federate([1], 9n);
      const put = async (offered: TrustBundle, keeps: 'held' | 'next' = 'held') => {
        const held = await store.current(istio);
        return store.replaceCurrent({
          trustDomain: istio,
          expectedDigest: held?.digest ?? null,
          version: version(offered, at(60), 'operator'),
          keepsSequence: keeps,
        });
      };
      for (const offered of [bundle([2], 4n), bundle([3]), bundle([4], 8n)])
        expect(await put(offered)).toMatchObject({ bundle: { sequence: 9n } });
      expect((await store.current(istio))?.bundle.sequence).toBe(9n);
      await expect(replace([1], 8n)).rejects.toMatchObject({ code: 'sequence-rolled-back' });
      expect(await put(bundle([5], 12n))).toMatchObject({ bundle: { sequence: 12n } });
      expect(await put(bundle([6]), 'next')).toMatchObject({ bundle: { sequence: 13n } });
      expect((await store.priorTrust(istio)).anchor).toBe(13n);
      await expect(replace([5], 12n)).rejects.toMatchObject({ code: 'sequence-rolled-back' });
    });

    it('priorTrust() tells since when each key is held without a gap, and on whose word', async () => {
      await federate([1], 1n);
      await replace([1, 2], 2n, at(60));
      await replace([2, 3], 3n, at(120));
      await replace([2, 3, 1], 4n, at(180));
      const known = async () =>
        Object.fromEntries(
          (await store.priorTrust(istio)).keys.map(({ kind, key, since, vouched, gone }) => [
            `${kind} ${roots.findIndex(({ keyFingerprint }) => keyFingerprint === key) + 1}`,
            [since.getTime() - start.getTime(), vouched, gone?.known],
          ]),
        );
      expect(await known()).toEqual({
        'x509 1': [180_000, false, undefined],
        'x509 2': [60_000, false, undefined],
        'x509 3': [120_000, false, undefined],
      });
      await store.replaceCurrent({
        trustDomain: istio,
        expectedDigest: (await store.current(istio))?.digest ?? null,
        version: version(bundle([2], 5n), at(200), 'operator'),
      });
      expect(await known()).toEqual({ 'x509 2': [60_000, true, undefined] });
      await store.removeRelationship(istio, { at: at(210), actor: 'ann', reason: 'over' });
      expect((await store.priorTrust(istio)).keys).toEqual([]);
    });

    it('priorTrust() keeps the last keys of a kind as gone: known after a document that could not be used, not after a revocation', async () => {
      const jwtAuthorities = [{ keyId: 'k', jwk: jwk() }];
      const put = async (offered: TrustBundle, when: Date, unusable = false) =>
        store.replaceCurrent({
          trustDomain: istio,
          expectedDigest: (await store.current(istio))?.digest ?? null,
          version: version(offered, when),
          unusable,
        });
      const gone = async () =>
        (await store.priorTrust(istio)).keys.map(({ kind, since, gone: end }) => [
          kind,
          since.getTime() - start.getTime(),
          end && [end.at.getTime() - start.getTime(), end.known],
        ]);
      await store.addRelationship(
        relationship(),
        version({ ...bundle([1], 1n), jwtAuthorities }, start, 'bootstrap'),
        added(),
      );
      await put(bundle([1], 2n), at(10));
      expect(await gone()).toEqual([
        ['jwt', 0, [10_000, false]],
        ['x509', 0, undefined],
      ]);
      await put(bundle([], 3n), at(20), true);
      expect(await gone()).toEqual([
        ['jwt', 0, [10_000, false]],
        ['x509', 0, [20_000, true]],
      ]);
      // The time without them does not count as held.
      await put({ ...bundle([1], 4n), jwtAuthorities }, at(50));
      expect(await gone()).toEqual([
        ['jwt', 40_000, undefined],
        ['x509', 30_000, undefined],
      ]);
    });

    it('priorTrust() keeps the sequence that counted when the content came, while a higher one is noted', async () => {
      expect(await store.priorTrust(istio)).toEqual({ keys: [] });
      await federate([1], 5n);
      await store.noteUnchanged(istio, at(10), { sequence: 8n });
      expect([(await store.priorTrust(istio)).anchor, (await store.current(istio))?.bundle.sequence]).toEqual(
        [5n, 8n],
      );
      await replace([1, 2], 9n);
      expect((await store.priorTrust(istio)).anchor).toBe(9n);
      await replace([1], undefined);
      expect(await store.priorTrust(istio)).not.toHaveProperty('anchor');
    });

    it('priorTrust() keeps the number before a leap until an operator sets a version', async () => {
      await federate([1], 5n);
      const put = async (numbers: readonly number[], sequence: bigint, rest: object, by?: 'operator') =>
        store.replaceCurrent({
          trustDomain: istio,
          expectedDigest: (await store.current(istio))?.digest ?? null,
          version: version(bundle(numbers, sequence), at(60), by),
          ...rest,
        });
      expect(await store.priorTrust(istio)).not.toHaveProperty('former');
      await put([1, 2], 9_000n, { leaptFrom: 5n });
      await put([1], 9_001n, {});
      expect((await store.priorTrust(istio)).former).toEqual({ sequence: 5n, at: at(60) });
      await put([2], 9_002n, {}, 'operator');
      expect(await store.priorTrust(istio)).not.toHaveProperty('former');
    });

    it('replaceCurrent() compares sequences as 64-bit numbers, digit for digit (TDB-08)', async () => {
      await federate([1], 9n);
      for (const [index, sequence] of [
        10n,
        2n ** 53n,
        2n ** 53n + 1n,
        2n ** 63n,
        10n ** 19n,
        2n ** 64n - 1n,
      ].entries()) {
        await expect(replace([1 + (index % 2), 3], sequence)).resolves.toMatchObject({
          bundle: { sequence },
        });
        expect((await store.current(istio))?.bundle.sequence).toBe(sequence);
        expect((await store.history(istio))[0]?.bundle.sequence).toBe(sequence);
        await expect(replace([4], sequence - 1n)).rejects.toMatchObject({ code: 'sequence-rolled-back' });
      }
      await expect(replace([5], 2n ** 64n)).rejects.toThrow(RangeError);
    });

    it('replaceCurrent() writes no history for equal content, and remembers a higher sequence', async () => {
      await federate([1], 5n);
      const before = await store.history(istio);
      expect(await replace([1], 9n)).toMatchObject({ number: 1, bundle: { sequence: 9n } });
      expect(await store.history(istio)).toEqual(before);
      await expect(replace([2], 8n)).rejects.toMatchObject({ code: 'sequence-rolled-back' });
    });

    it('replaceCurrent() keeps our own bundle without a relationship, but nobody else (FED-60)', async () => {
      const write = (verdict: 'own' | 'accepted') =>
        store.replaceCurrent({
          trustDomain: istio,
          expectedDigest: null,
          version: version(bundle([1], 1n), start, verdict),
        });
      expect(await write('accepted')).toBe('conflict');
      expect(await store.current(istio)).toBeUndefined();
      expect(await write('own')).toMatchObject({ number: 1, verdict: 'own' });
      expect(await store.currentAll()).toHaveLength(1);
    });

    it('noteUnchanged() marks the relationship fresh and touches no history', async () => {
      await federate([1], 5n);
      await store.updateRelationship(istio, { consecutiveFailures: 4 });
      const [history, events] = [await store.history(istio), await store.events()];
      await store.noteUnchanged(istio, at(30));
      expect(await store.relationship(istio)).toEqual({
        ...relationship(),
        lastAttemptAt: at(30),
        lastSuccessAt: at(30),
      });
      expect(await store.history(istio)).toEqual(history);
      expect(await store.events()).toEqual(events);
    });

    it('noteUnchanged() raises the sequence that counts as held, never lowers it (FED-48)', async () => {
      await federate([1], 5n);
      await store.noteUnchanged(istio, at(30), { sequence: 9n });
      expect((await store.current(istio))?.bundle.sequence).toBe(9n);
      await store.noteUnchanged(istio, at(31), { sequence: 7n });
      expect((await store.current(istio))?.bundle.sequence).toBe(9n);
      expect((await store.history(istio))[0]?.bundle.sequence).toBe(5n);
      await expect(replace([2], 8n)).rejects.toMatchObject({ code: 'sequence-rolled-back' });
      expect(await replace([2], 10n)).toMatchObject({ number: 2 });
    });

    it('removeRelationship() ends the trust at once and leaves the history (FED-59)', async () => {
      await federate([1], 5n);
      await store.recordIncident(outage);
      const removal = { at: at(100), actor: 'operator:0', reason: 'contract ended' };
      expect(await store.removeRelationship(istio, removal)).toBe(true);
      expect(await store.current(istio)).toBeUndefined();
      expect(await store.currentAll()).toEqual([]);
      expect(await store.relationships()).toEqual([]);
      expect(await store.history(istio)).toHaveLength(1);
      expect(await store.incidents({ open: true })).toEqual([]);
      expect((await store.events())[0]).toMatchObject({
        kind: 'relationship-removed',
        message: 'contract ended',
        versionNumber: 1,
      });
      expect(await store.removeRelationship(istio, removal)).toBe(false);
    });

    it('removeRelationship() makes a poll that is still under way a conflict', async () => {
      await federate([1], 5n);
      const held = await store.current(istio);
      await store.removeRelationship(istio, { at: at(100), actor: 'operator:0', reason: 'gone' });
      const late = { trustDomain: istio, version: version(bundle([2], 6n)) };
      expect(await store.replaceCurrent({ ...late, expectedDigest: held?.digest ?? null })).toBe('conflict');
      expect(await store.replaceCurrent({ ...late, expectedDigest: null })).toBe('conflict');
      await store.noteUnchanged(istio, at(101), { sequence: 6n });
      expect(await store.current(istio)).toBeUndefined();
    });

    it('addRelationship() after a removal starts again: old sequence forgotten, numbers go on (FED-60)', async () => {
      await federate([1], 500n);
      await store.removeRelationship(istio, { at: at(100), actor: 'operator:0', reason: 'gone' });
      await store.addRelationship(
        relationship(istio, at(200)),
        version(bundle([1, 2], 3n), at(200), 'bootstrap'),
        added(istio, at(200)),
      );
      const current = await store.current(istio);
      expect(current).toMatchObject({ number: 2, bundle: { sequence: 3n } });
      expect(labels(current?.diff.added ?? [])).toEqual([label(1), label(2)].sort());
      expect(current?.diff.kept).toEqual([]);
    });

    it('bundleAt() gives what was trusted at an instant', async () => {
      await federate([1], 1n);
      await replace([2], 2n, at(60));
      await store.removeRelationship(istio, { at: at(100), actor: 'operator:0', reason: 'gone' });
      await store.addRelationship(
        relationship(istio, at(200)),
        version(bundle([3], 1n), at(200)),
        added(istio, at(200)),
      );
      const numberAt = async (seconds: number) => (await store.bundleAt(istio, at(seconds)))?.number;
      expect(await numberAt(-1)).toBeUndefined();
      expect(await numberAt(0)).toBe(1);
      expect(await numberAt(59.999)).toBe(1);
      expect(await numberAt(60)).toBe(2);
      expect(await numberAt(100)).toBeUndefined();
      expect(await numberAt(199)).toBeUndefined();
      expect(await numberAt(200)).toBe(3);
      expect(await store.bundleAt(consul, at(60))).toBeUndefined();
    });

    it('history() comes in pages, newest first', async () => {
      await federate([1], 1n);
      for (let sequence = 2n; sequence <= 6n; sequence += 1n) await replace([Number(sequence)], sequence);
      const numbers = async (page: { limit?: number; before?: number }) =>
        (await store.history(istio, page)).map(({ number }) => number);
      expect(await numbers({ limit: 2 })).toEqual([6, 5]);
      expect(await numbers({ limit: 3, before: 5 })).toEqual([4, 3, 2]);
      expect(await numbers({ before: 2 })).toEqual([1]);
      await expect(store.history(istio, { limit: 0 })).rejects.toThrow(RangeError);
    });

    it('currentAll() and relationships() are ordered by trust domain and keep peers apart (FED-54)', async () => {
      await federate([1], 1n);
      await store.addRelationship(relationship(consul), version(bundle([1], 7n, consul)), added(consul));
      expect((await store.currentAll()).map((each) => [each.trustDomain, each.number])).toEqual([
        [consul, 1],
        [istio, 1],
      ]);
      expect((await store.relationships()).map((each) => each.trustDomain)).toEqual([consul, istio]);
      await store.removeRelationship(istio, { at: at(1), actor: 'operator:0', reason: 'gone' });
      expect((await store.currentAll()).map((each) => each.trustDomain)).toEqual([consul]);
    });

    it('recordEvent() keeps what it was told, the newest first, with big numbers as text', async () => {
      await store.recordEvent({ at: at(1), kind: 'agent-started', actor: 'agent', message: 'up' });
      await store.recordEvent({
        at: at(2),
        kind: 'mesh-refused',
        trustDomain: istio,
        actor: 'mesh:istio',
        code: 'twin-root',
        message: 'refused',
        detail: { sequence: 2n ** 64n - 1n, list: [1] },
      });
      const events = await store.events();
      expect(events.map(({ kind }) => kind)).toEqual(['mesh-refused', 'agent-started']);
      expect(events[0]).toMatchObject({
        at: at(2),
        code: 'twin-root',
        detail: { sequence: '18446744073709551615', list: [1] },
      });
      expect(await store.events({ trustDomain: consul })).toEqual([]);
      expect(await store.events({ limit: 1 })).toHaveLength(1);
    });

    it('recordEvent() keeps no character that could steer a terminal', async () => {
      const message = 'bad \u001b[2J\u0000\u202e name\nsecond line';
      await store.recordEvent({
        at: at(1),
        kind: 'bundle-refused',
        actor: 'agent',
        message,
        detail: { message },
      });
      const [event] = await store.events();
      expect(event?.message).toBe('bad �[2J�� name�second line');
      expect(JSON.stringify(event?.detail)).not.toMatch(/\u202e/);
    });

    it('recordIncident() counts a failure that goes on instead of repeating it', async () => {
      expect(await store.recordIncident(outage)).toBe('began');
      for (let second = 20; second < 120; second += 10)
        expect(await store.recordIncident({ ...outage, at: at(second), message: `at ${second}` })).toBe(
          'ongoing',
        );
      expect(await store.incidents()).toMatchObject([
        { at: at(10), lastAt: at(110), count: 11, code: 'fetch-connect', message: 'at 110' },
      ]);
      expect(await store.events()).toHaveLength(1);
      expect(await store.recordIncident({ ...outage, code: 'fetch-timeout' })).toBe('began');
      expect(await store.recordIncident({ ...outage, trustDomain: consul })).toBe('began');
      expect(await store.incidents({ open: true, trustDomain: istio })).toHaveLength(2);
    });

    it('recordIncident() keeps the offer that was kept out', async () => {
      const offered = bundle([4, 5], 3n);
      const refused = { ...outage, kind: 'bundle-refused' as const, code: 'sequence-rolled-back', offered };
      await store.recordIncident(refused);
      const [incident] = await store.incidents();
      expect(incident?.sequence).toBe(3n);
      expect(incident?.offered && contentDigest(incident.offered)).toBe(contentDigest(offered));
      await store.recordIncident({ ...refused, offered: bundle([6], 4n) });
      expect((await store.incidents())[0]).toMatchObject({ count: 2, sequence: 4n });
    });

    it('endIncidents() ends what is open, says so once, and writes nothing when all is well', async () => {
      await store.recordIncident(outage);
      await store.recordIncident({ ...outage, kind: 'bundle-refused', code: 'bundle-malformed' });
      const end = { trustDomain: istio, at: at(99), actor: 'agent' };
      expect(await store.endIncidents({ ...end, kinds: ['endpoint-unreachable'] })).toBe(1);
      expect(await store.endIncidents(end)).toBe(1);
      expect(await store.endIncidents(end)).toBe(0);
      expect((await store.incidents()).every(({ endedAt }) => endedAt?.getTime() === at(99).getTime())).toBe(
        true,
      );
      expect((await store.events()).filter(({ kind }) => kind === 'recovered')).toHaveLength(2);
      expect(await store.recordIncident({ ...outage, at: at(120) })).toBe('began');
      expect(await store.incidents()).toHaveLength(3);
    });

    it('endIncidents() leaves one open that came and went all the time, until it is calm, and counts it up', async () => {
      const seconds = (minute: number, more = 0) => minute * 60 + more;
      const end = (minute: number) =>
        store.endIncidents({ trustDomain: istio, at: at(seconds(minute, 30)), actor: 'agent' });
      const offered = bundle([4, 5], 3n);
      for (let minute = 0; minute < 60; minute += 1) {
        const other = { kind: 'bundle-refused' as const, code: `code-${minute % 3}`, offered };
        await store.recordIncident({ ...outage, ...other, at: at(seconds(minute)) });
        await end(minute);
      }
      const incidents = await store.incidents();
      expect(incidents.length).toBeLessThanOrEqual(6 + 2);
      expect(incidents.reduce((sum, { count }) => sum + count, 0)).toBe(60);
      expect((await store.events()).length).toBeLessThanOrEqual(2 * incidents.length);
      expect(await end(60 + 70)).toBeGreaterThan(0);
      expect(await store.incidents({ open: true })).toEqual([]);
      // The end of the relationship ends them all at once.
      await federate([1], 1n);
      for (let minute = 200; minute < 220; minute += 1) {
        await store.recordIncident({ ...outage, at: at(seconds(minute)) });
        await end(minute);
      }
      expect(await store.incidents({ open: true })).toHaveLength(1);
      await store.removeRelationship(istio, { at: at(seconds(221)), actor: 'operator:1000', reason: 'over' });
      expect(await store.incidents({ open: true })).toEqual([]);
    });

    it('incidents() leaves the offered bundles out where they are not wanted, and keeps the number of the newest', async () => {
      const refused = { ...outage, kind: 'bundle-refused' as const, code: 'offer-rejected' };
      await store.recordIncident({ ...refused, offered: bundle([4, 5], 3n) });
      const [bare] = await store.incidents({ offers: false });
      expect(bare?.offered).toBeUndefined();
      expect(bare).toMatchObject({
        sequence: 3n,
        offer: { digest: contentDigest(bundle([4, 5])), times: 1 },
      });
      await store.recordIncident({ ...refused, offered: bundle([4, 5], 3n) });
      const [full] = await store.incidents();
      expect(full?.offered && contentDigest(full.offered)).toBe(contentDigest(bundle([4, 5])));
      expect(full?.offer?.times).toBe(2);
      await store.recordIncident({ ...refused, offered: bundle([6]) });
      expect((await store.incidents({ offers: false }))[0]?.sequence).toBeUndefined();
    });

    it('setMeta() keeps one value per name', async () => {
      expect(await store.getMeta('own')).toBeUndefined();
      await store.setMeta('own', 'a');
      await store.setMeta('own', 'b');
      expect(await store.getMeta('own')).toBe('b');
    });

    it('close() may be called twice; afterwards everything is store-closed', async () => {
      await store.close();
      await store.close();
      await expect(store.currentAll()).rejects.toMatchObject({ code: 'store-closed' });
      await expect(store.setMeta('a', 'b')).rejects.toMatchObject({ code: 'store-closed' });
    });

    it('its history replays to the current state, whatever was done', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), async (steps) => {
          const fresh = await open();
          try {
            const model = await perform(fresh, steps);
            const history = (await fresh.history(istio, { limit: 1000 })).toReversed();
            const current = await fresh.current(istio);
            expect(model.outcomes).toEqual(model.expected);
            expect(history.map(({ number }) => number)).toEqual(history.map((_, index) => index + 1));
            expect(history.map(({ digest }) => digest)).toEqual(model.digests);
            expect(current?.digest).toBe(model.digest);
            expect(current?.bundle.sequence).toBe(model.sequence);
            const ended = { ...history.at(-1), bundle: current?.bundle };
            expect(current ?? ended).toEqual(ended);
            for (const { bundle: whole, ...rest } of history) {
              expect([...rest.diff.kept, ...rest.diff.added].map(fingerprintOf).sort()).toEqual(
                whole.x509Authorities.map(fingerprintOf).sort(),
              );
            }
            expect(replay(history)).toEqual(
              history.at(-1)?.bundle.x509Authorities.map(fingerprintOf).sort() ?? [],
            );
          } finally {
            await fresh.close();
          }
        }),
        { numRuns: 40 },
      );
    });
  });
}

const fingerprintOf = ({ fingerprint }: { fingerprint: string }) => fingerprint;

/** The keys that are left when each version is taken at its word about what it added and removed. */
function replay(history: readonly BundleVersion[]): string[] {
  const keys = new Set<string>();
  for (const { verdict, diff } of history) {
    // A new beginning takes over nothing.
    if (verdict === 'bootstrap') keys.clear();
    for (const { fingerprint } of diff.removed) keys.delete(fingerprint);
    for (const { fingerprint } of diff.added) keys.add(fingerprint);
  }
  return [...keys].sort();
}

type Step =
  | { kind: 'add' | 'replace' | 'override' | 'late'; numbers: number[]; sequence: bigint | undefined }
  | { kind: 'remove' }
  | { kind: 'note'; sequence: bigint };

const anySequence = fc.oneof(
  fc.bigInt({ min: 0n, max: 8n }),
  fc.bigInt({ min: 2n ** 64n - 4n, max: 2n ** 64n - 1n }),
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('remove' as const) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('note' as const), sequence: anySequence }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        'add' as const,
        'replace' as const,
        'replace' as const,
        'override' as const,
        'late' as const,
      ),
      numbers: fc.uniqueArray(fc.integer({ min: 1, max: 5 }), { maxLength: 3 }),
      sequence: fc.option(anySequence, { nil: undefined }),
    }),
  },
);

/** Does the steps and keeps, by rules told apart from the store, what must come of each. */
async function perform(store: Store, steps: readonly Step[]) {
  const digests: string[] = [];
  const outcomes: unknown[] = [];
  const expected: unknown[] = [];
  let held: { digest: string; sequence: bigint | undefined } | undefined;
  let federated = false;
  const outcome = async (work: Promise<unknown>) => {
    outcomes.push(await work.then(worded, worded));
  };
  const keep = (digest: string, sequence: bigint | undefined) => {
    digests.push(digest);
    held = { digest, sequence };
    expected.push('done');
  };
  for (const [index, each] of steps.entries()) {
    if (each.kind === 'remove') {
      await outcome(store.removeRelationship(istio, { at: at(index), actor: 'operator:0', reason: 'r' }));
      expected.push(federated);
      federated = false;
      held = undefined;
      continue;
    }
    if (each.kind === 'note') {
      await store.noteUnchanged(istio, at(index), { sequence: each.sequence });
      if (held && each.sequence > (held.sequence ?? -1n)) held = { ...held, sequence: each.sequence };
      continue;
    }
    const { kind, sequence } = each;
    const offered = bundle(each.numbers, sequence);
    const digest = contentDigest(offered);
    if (kind === 'add') {
      await outcome(store.addRelationship(relationship(), version(offered, at(index), 'bootstrap'), added()));
      if (federated) expected.push('relationship-exists');
      else keep(digest, sequence);
      federated = true;
      continue;
    }
    await outcome(
      store.replaceCurrent({
        trustDomain: istio,
        expectedDigest: kind === 'late' ? 'f'.repeat(64) : (held?.digest ?? null),
        version: version(offered, at(index), kind === 'override' ? 'operator' : 'accepted'),
      }),
    );
    const lower = held?.sequence !== undefined && sequence !== undefined && sequence < held.sequence;
    if (kind === 'late' || !federated) expected.push('conflict');
    else if (lower && kind !== 'override') expected.push('sequence-rolled-back');
    else if (digest === held?.digest && !lower) {
      held = { digest, sequence: sequence ?? held.sequence };
      expected.push('done');
    } else keep(digest, sequence);
  }
  return { digests, outcomes, expected, digest: held?.digest, sequence: held?.sequence };
}

/** An answer of the store in one word: what it said, the code of its refusal, or that it was done. */
function worded(answer: unknown): unknown {
  if (answer instanceof StoreError) return answer.code;
  if (answer instanceof Error) return answer;
  return answer === 'conflict' || typeof answer === 'boolean' ? answer : 'done';
}
