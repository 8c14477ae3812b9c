import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bundleOf, parseSpiffeId, parseTrustDomain, type TrustDomain } from '../../src/spiffe/index.ts';
import { answers, FakePeer } from '../../testkit/fake-peer.ts';
import {
  addWithBundle,
  AgentWorld,
  documentOf,
  endpointId,
  overWeb,
  peerName,
  serve,
} from './agent-world.ts';
import { type Authority, createAuthority } from './authority.ts';

const now = new Date();
let r1: Authority;
let r2: Authority;
let r3: Authority;
let webCa: Authority;

beforeAll(async () => {
  [r1, r2, r3, webCa] = (await Promise.all(
    ['root 1', 'root 2', 'root 3', 'web ca'].map((name) => createAuthority(name, now)),
  )) as [Authority, Authority, Authority, Authority];
});

let world: AgentWorld;
let peer: FakePeer;

beforeEach(async () => {
  world = await AgentWorld.start(now);
  peer = await FakePeer.start(await r1.svid(endpointId));
  peer.answer = serve([r1], { sequence: 1n, refreshHintSeconds: 60 });
});

afterEach(async () => {
  await world[Symbol.asyncDispose]();
  await peer.close();
});

const only = (...authorities: Authority[]) => authorities.map(({ x509 }) => x509.fingerprint).sort();
const kinds = async () =>
  (await world.store.events({ trustDomain: peerName })).map(({ kind }) => kind).reverse();

/** Federates over `https_web` with the private CA. */
async function addOverWeb(): Promise<void> {
  peer.become(await webCa.web(['localhost']));
  await world.federation.relationships.add({
    trustDomain: peerName,
    endpointUrl: peer.url('/', 'localhost'),
    profile: overWeb,
    actor: 'operator:1000',
    bootstrap: { kind: 'web-pki', caPem: webCa.pem },
  });
}

describe('Federation and what it trusts', () => {
  it('verifies each new connection by the latest bundle, not by the one it began with (FED-29, FED-42)', async () => {
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
    peer.answer = serve([r1, r2], { sequence: 2n });
    expect(await world.poll()).toBe('accepted');
    peer.become(await r2.svid(endpointId));
    peer.answer = serve([r2], { sequence: 3n });
    expect(await world.poll()).toBe('accepted');
    expect(world.trusted()).toEqual(only(r2));
    peer.become(await r1.svid(endpointId));
    expect(await world.poll()).toBe('failed svid-refused');
    peer.become(await r2.svid(endpointId));
    expect(await world.poll()).toBe('unchanged');
  });

  it('verifies an endpoint in another trust domain by that one, and stores nothing for it (FED-31, FED-32)', async () => {
    const host = parseTrustDomain('host.example');
    await using hostPeer = await FakePeer.start(await r2.svid('spiffe://host.example/endpoint'));
    hostPeer.answer = serve([r2], { sequence: 1n }, host);
    await world.federation.relationships.add({
      trustDomain: host,
      endpointUrl: hostPeer.url(),
      actor: 'operator:1000',
      profile: { kind: 'https_spiffe', endpointId: parseSpiffeId('spiffe://host.example/endpoint') },
      bootstrap: { kind: 'bundle', document: Buffer.from(documentOf([r2], { sequence: 1n }, host)) },
    });
    peer.become(await r2.svid('spiffe://host.example/files'));
    await world.federation.relationships.add({
      ...addWithBundle(peer, [r1], { sequence: 1n }),
      profile: { kind: 'https_spiffe', endpointId: parseSpiffeId('spiffe://host.example/files') },
    });
    // The host's root rolls over by its own relationship …
    hostPeer.answer = serve([r3, r2], { sequence: 2n }, host);
    expect(await world.poll(host)).toBe('accepted');
    // … and the endpoint that serves the peer's bundle is verified by it.
    peer.become(await r3.svid('spiffe://host.example/files'));
    peer.answer = serve([r1, webCa], { sequence: 2n });
    expect(await world.poll()).toBe('accepted');
    expect(world.trusted()).toEqual(only(r1, webCa));
    expect(world.trusted(host)).toEqual(only(r2, r3));
  });

  it('keeps the last good bundle whatever the endpoint sends (invariant 2, TDB-03, TDB-43)', async () => {
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
    const good = documentOf([r1, r2], { sequence: 2n });
    const bad = [
      '{}',
      '{"keys":null}',
      '[]',
      '"x"',
      '',
      '<html></html>',
      `${good}${good}`,
      `\ufeff${good}`,
      good.slice(0, -3),
      '{"keys":[],"keys":[]}',
      good.replace('"spiffe_sequence":2', '"spiffe_sequence":"2"'),
    ];
    for (const document of bad) {
      peer.answer = answers.document(document);
      expect(`${await world.poll()} of ${document.slice(0, 40)}`).toMatch(/^failed bundle-/);
      expect(world.trusted()).toEqual(only(r1));
    }
    peer.answer = answers.document(good);
    expect(await world.poll()).toBe('accepted');
    expect(world.trusted()).toEqual(only(r1, r2));
  });

  it('honours an empty bundle as a revocation, and then needs the operator (TDB-04, FED-58)', async () => {
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
    peer.answer = serve([], { sequence: 2n });
    expect(await world.poll()).toBe('accepted');
    expect(world.trusted()).toEqual([]);
    expect(world.changes.at(-1)).toEqual([peerName, 0]);
    expect(world.state()).toBe('needs-bootstrap endpoint-bundle-missing');
    const asked = peer.connections;
    expect(await world.poll()).toBe('failed endpoint-bundle-missing');
    expect(peer.connections).toBe(asked);
    peer.become(await r2.svid(endpointId));
    peer.answer = serve([r2], { sequence: 3n });
    const by = { actor: 'operator:1000', reason: 'new keys by telephone', name: 'new.pem' };
    const set = await world.federation.relationships.setBundle(peerName, {
      document: Buffer.from(r2.pem),
      ...by,
    });
    expect(set).toMatchObject({ versionNumber: 3, poll: { kind: 'unchanged' } });
    expect(world.trusted()).toEqual(only(r2));
    expect(world.state()).toBe('active');
  });

  it('says that a bundle has no usable keys, and goes on polling over https_web (TDB-04, TDB-05)', async () => {
    await addOverWeb();
    peer.answer = answers.document(
      '{"spiffe_sequence":2,"keys":[{"kty":"AKP","use":"x509-svid"},{"kty":"EC","use":"new"}]}',
    );
    expect(await world.poll()).toBe('accepted');
    expect(world.trusted()).toEqual([]);
    expect(world.state()).toBe('failing no-usable-entries');
    expect(await kinds()).toEqual(['relationship-added', 'bundle-accepted', 'bundle-unusable']);
    expect(await world.poll()).toBe('unchanged');
    expect(world.state()).toBe('failing no-usable-entries');
    // Whoever holds the web server cannot use this to put in roots of their own in two steps.
    peer.answer = serve([r3], { sequence: 3n });
    expect(await world.poll()).toBe('quarantined all-roots-replaced');
    // The roots that were held before are not new.
    peer.answer = serve([r1], { sequence: 3n });
    expect(await world.poll()).toBe('accepted');
    expect(world.state()).toBe('active');
    expect(await world.store.incidents({ trustDomain: peerName, open: true })).toEqual([]);
  });

  it('says that a peer has revoked all its keys, whose roots come back by an operator only (TDB-04)', async () => {
    await addOverWeb();
    peer.answer = answers.document('{"spiffe_sequence":2,"keys":[]}');
    expect(await world.poll()).toBe('accepted');
    expect(world.state()).toBe('active no-usable-keys');
    peer.answer = serve([r1], { sequence: 3n });
    expect(await world.poll()).toBe('quarantined all-roots-replaced');
  });

  it('keeps the highest number when an operator sets a bundle, so that nothing old comes back', async () => {
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
    peer.answer = serve([r1, r2], { sequence: 7n });
    expect(await world.poll()).toBe('accepted');
    const by = { actor: 'operator:1000', reason: 'root 2 is stolen', name: 'new.pem' };
    peer.answer = serve([r1, r2], { sequence: 6n });
    const set = await world.federation.relationships.setBundle(peerName, {
      document: Buffer.from(r1.pem),
      ...by,
    });
    expect(set.poll).toMatchObject({ kind: 'refused', code: 'sequence-rolled-back' });
    const older = { document: Buffer.from(documentOf([r1, r3], { sequence: 2n })), ...by };
    expect((await world.federation.relationships.setBundle(peerName, older)).poll).toMatchObject({
      kind: 'refused',
    });
    expect(world.federation.held.bundleFor(peerName)?.sequence).toBe(7n);
    await world.restart();
    expect(await world.poll()).toBe('refused sequence-rolled-back');
    expect(world.trusted()).toEqual(only(r1, r3));
  });

  it('warns of a number beyond reason over equal content until it is gone, and forgets it', async () => {
    await addOverWeb();
    peer.answer = serve([r1], { sequence: 2n ** 64n - 1n });
    expect(await world.poll()).toBe('unchanged');
    expect(world.state()).toBe('active sequence-jumped');
    expect((await kinds()).at(-1)).toBe('sequence-jumped');
    peer.answer = serve([r1, r2], { sequence: 2n });
    expect(await world.poll()).toBe('accepted');
    expect(world.state()).toBe('active');
  });

  it('loads what it trusts from the store, and trusts it while the endpoint is down (FED-47, FED-57)', async () => {
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
    peer.answer = serve([r1, r2], { sequence: 2n });
    await world.poll();
    await peer.close();
    await world.restart();
    expect(world.trusted()).toEqual(only(r1, r2));
    expect(await world.poll()).toBe('failed connect-failed');
    expect(world.trusted()).toEqual(only(r1, r2));
    expect(world.state()).toBe('failing connect-failed');
  });

  it('replaces what is stored and held, and tells verifiers: keys that are new and keys that are gone (FED-56)', async () => {
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
    const changes: unknown[] = [];
    world.federation.bundles.onChange((trustDomain, bundle) =>
      changes.push([trustDomain, bundle?.x509Authorities.length]),
    );
    for (const [sequence, roots] of [
      [2n, [r1, r2]],
      [3n, [r2]],
    ] as const) {
      peer.answer = serve([...roots], { sequence });
      expect(await world.poll()).toBe('accepted');
      expect(world.trusted()).toEqual(only(...roots));
      const stored = (await world.store.current(peerName))?.bundle;
      expect(stored?.sequence).toBe(sequence);
      expect(stored?.x509Authorities).toHaveLength(roots.length);
      if (roots.length === 2) peer.become(await r2.svid(endpointId));
    }
    expect(changes).toEqual([
      [peerName, 2],
      [peerName, 1],
    ]);
  });

  it('changes memory only after the store has committed', async () => {
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
    const replaceCurrent = world.store.replaceCurrent.bind(world.store);
    world.store.replaceCurrent = () =>
      Promise.reject(Object.assign(new Error('disk full'), { code: 'store-full' }));
    peer.answer = serve([r1, r2], { sequence: 2n });
    expect(await world.poll()).toBe('failed store-full');
    expect(world.trusted()).toEqual(only(r1));
    expect(world.state()).toBe('failing store-full');
    world.store.replaceCurrent = replaceCurrent;
    expect(await world.poll()).toBe('accepted');
    expect(world.trusted()).toEqual(only(r1, r2));
  });
});

describe('Federation and sequences', () => {
  beforeEach(async () => {
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 5n }));
  });

  it('keeps a lower sequence out until the operator lets it in once, on record (FED-48, FED-52)', async () => {
    peer.answer = serve([r1, r2], { sequence: 4n });
    expect(await world.poll()).toBe('refused sequence-rolled-back');
    expect(world.trusted()).toEqual(only(r1));
    expect(world.state()).toBe('failing sequence-rolled-back');
    const { outcome } = await world.federation.peers.of(peerName).pollAgain({
      actor: 'operator:1000',
      reason: 'restored backup',
    });
    expect(outcome).toMatchObject({ kind: 'accepted', overridden: 'sequence-rolled-back' });
    expect(world.trusted()).toEqual(only(r1, r2));
    expect(world.state()).toBe('active');
    const [event] = (await world.store.events({ trustDomain: peerName })).filter(
      ({ kind }) => kind === 'operator-override',
    );
    expect(event).toMatchObject({ actor: 'operator:1000', code: 'sequence-rolled-back' });
    peer.answer = serve([r1], { sequence: 3n });
    expect(await world.poll()).toBe('refused sequence-rolled-back');
  });

  it('remembers a higher sequence over equal content without a history row, also after a restart (invariants 3, 8)', async () => {
    const before = await world.store.history(peerName);
    peer.answer = serve([r1], { sequence: 9n });
    expect(await world.poll()).toBe('unchanged');
    expect(await world.store.history(peerName)).toEqual(before);
    expect(world.federation.bundles.bundleFor(peerName)?.sequence).toBe(9n);
    await world.restart();
    peer.answer = serve([r1, r2], { sequence: 8n });
    expect(await world.poll()).toBe('refused sequence-rolled-back');
    peer.answer = serve([r1, r2], { sequence: 10n });
    expect(await world.poll()).toBe('accepted');
  });

  it('does not forget the number when it is left out over equal content', async () => {
    peer.answer = serve([r1]);
    expect(await world.poll()).toBe('unchanged');
    peer.answer = serve([r1, r2], { sequence: 4n });
    expect(await world.poll()).toBe('refused sequence-rolled-back');
  });

  it('adopts other content under the same number without an alarm at each poll (FED-50)', async () => {
    peer.answer = serve([r1, r2], { sequence: 5n });
    expect(await world.poll()).toBe('accepted');
    expect(await world.poll()).toBe('unchanged');
    const events = await world.store.events({ trustDomain: peerName });
    expect(events.filter(({ code }) => code === 'content-changed-under-same-sequence')).toHaveLength(1);
  });
});

describe('Federation and quarantine', () => {
  it('holds an offer back, keeps the last good bundle, and lets the operator choose that one offer', async () => {
    await addOverWeb();
    peer.answer = serve([r3], { sequence: 2n });
    expect(await world.poll()).toBe('quarantined all-roots-replaced');
    expect(world.trusted()).toEqual(only(r1));
    expect(world.state()).toBe('quarantined all-roots-replaced');
    const [incident] = await world.store.incidents({ trustDomain: peerName });
    expect(incident).toMatchObject({ kind: 'bundle-quarantined', sequence: 2n });
    const by = { actor: 'operator:1000', reason: 'confirmed by telephone' };
    const wrong = await world.federation.peers.of(peerName).pollAgain({ ...by, digest: 'f'.repeat(64) });
    expect(wrong.outcome.kind).toBe('quarantined');
    const { outcome } = await world.federation.peers.of(peerName).pollAgain(by);
    expect(outcome).toMatchObject({ kind: 'accepted', overridden: 'all-roots-replaced' });
    expect(world.trusted()).toEqual(only(r3));
  });

  it('ends by itself when the endpoint offers something harmless again', async () => {
    await addOverWeb();
    peer.answer = serve([r3], { sequence: 2n });
    await world.poll();
    peer.answer = serve([r1], { sequence: 2n });
    expect(await world.poll()).toBe('unchanged');
    expect(world.state()).toBe('active');
    expect(await kinds()).toEqual(['relationship-added', 'bundle-quarantined', 'recovered']);
  });
});

describe('Federation and incidents', () => {
  it('tells the beginning and the end of an outage, not each poll', async () => {
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
    peer.answer = answers.status(503, documentOf([]));
    for (let count = 0; count < 5; count += 1) expect(await world.poll()).toBe('failed status-refused');
    expect(world.federation.peers.status()[0]).toMatchObject({ state: 'failing', consecutiveFailures: 5 });
    peer.answer = serve([r1], { sequence: 1n });
    expect(await world.poll()).toBe('unchanged');
    expect(await world.poll()).toBe('unchanged');
    expect(await kinds()).toEqual(['relationship-added', 'endpoint-unreachable', 'recovered']);
    const [incident] = await world.store.incidents({ trustDomain: peerName });
    expect(incident).toMatchObject({ code: 'status-refused', count: 5 });
  });

  it('leaves one log record per fetch, with all that is known (FED-43)', async () => {
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
    peer.answer = answers.byPath({
      '/': answers.redirect(302, '/b'),
      '/b': serve([r1, r2], { sequence: 2n }),
    });
    await world.poll();
    peer.answer = answers.status(500);
    await world.poll();
    const records = world.log.records.filter(({ message }) => message === 'bundle fetch');
    expect(records).toHaveLength(3);
    expect(records[1]).toMatchObject({
      level: 'info',
      fields: {
        trustDomain: peerName,
        endpointUrl: peer.url(),
        profile: 'https_spiffe',
        endpointId,
        redirects: [peer.url('/b')],
        rootFingerprint: r1.x509.fingerprint,
        sequence: 2n,
        outcome: 'accepted',
      },
    });
    expect(records[1]?.fields).toHaveProperty('leafFingerprint');
    expect(records[1]?.fields).toHaveProperty('durationMs');
    expect(records[2]).toMatchObject({
      level: 'warn',
      fields: { outcome: 'failed', code: 'status-refused' },
    });
  });

  it('alerts the operator when a private key is published, and keeps its value nowhere (TDB-37)', async () => {
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
    const secret = 'c2VjcmV0LXZhbHVlLW9mLWEta2V5';
    const entry = { kty: 'EC', crv: 'P-256', x: 'AA', y: 'AA', d: secret, use: 'jwt-svid', kid: 'k' };
    const document = documentOf([r1, r2], { sequence: 2n }).replace(
      '"keys":[',
      `"keys":[${JSON.stringify(entry)},`,
    );
    peer.answer = answers.document(document);
    expect(await world.poll()).toBe('accepted');
    const record = world.log.records.at(-1);
    expect(record).toMatchObject({
      level: 'warn',
      fields: { outcome: 'accepted', notes: ['entry-holds-secret'] },
    });
    const [version] = await world.store.history(peerName);
    const everything = [
      world.log.records,
      await world.store.events(),
      Buffer.from(version?.document ?? []).toString(),
    ];
    const text = JSON.stringify(everything, (_key, value: unknown) =>
      typeof value === 'bigint' ? `${value}` : value,
    );
    expect(text).not.toContain(secret);
  });

  it('asks with the tag of what it holds, and forgets the tag with the bundle, which any good answer replaces (FED-53)', async () => {
    const tagged = answers.document(documentOf([r1], { sequence: 1n }), { etag: '"v1"' });
    peer.answer = tagged;
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
    expect(await world.poll()).toBe('unchanged');
    expect(peer.requests.map(({ headers }) => headers['if-none-match'])).toEqual([undefined, '"v1"']);
    await world.federation.relationships.setBundle(peerName, {
      document: Buffer.from(`${r1.pem}${r2.pem}`),
      name: 'by hand',
      actor: 'operator:1000',
      reason: 'test',
    });
    expect(peer.requests.at(-1)?.headers).not.toHaveProperty('if-none-match');
    expect(world.trusted()).toEqual(only(r1));
  });
});

describe('Federation.setBundle()', () => {
  it('refuses a root of our own or of another trust domain, and changes nothing (invariant 4)', async () => {
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
    const other = parseTrustDomain('other.example');
    await world.federation.relationships.add({
      ...addWithBundle(peer, [r3]),
      trustDomain: other,
      profile: { kind: 'https_spiffe', endpointId: parseSpiffeId('spiffe://other.example/e') },
    });
    world.own = bundleOf(parseTrustDomain('own.example'), [webCa.x509]);
    const set = (...roots: Authority[]) =>
      world.federation.relationships.setBundle(peerName, {
        document: Buffer.from(roots.map(({ pem }) => pem).join('')),
        name: 'by hand',
        actor: 'operator:1000',
        reason: 'test',
      });
    peer.answer = answers.status(503);
    expect(await set(r1, r2)).toMatchObject({ versionNumber: 2 });
    await expect(set(r1, webCa)).rejects.toMatchObject({ code: 'own-root-offered' });
    await expect(set(r1, r3)).rejects.toMatchObject({ code: 'root-of-another-trust-domain' });
    expect(world.trusted()).toEqual(only(r1, r2));
    expect(await world.store.history(peerName)).toHaveLength(2);
  });
});

describe('Federation.change()', () => {
  const by = { actor: 'operator:1000', reason: 'the endpoint moved' };

  beforeEach(async () => {
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
  });

  it('asks the new endpoint at once, keeps what is trusted, and is on record (FED-09, FED-62)', async () => {
    await using moved = await FakePeer.start(await r1.svid('spiffe://peer.example/moved'));
    moved.answer = serve([r1, r2], { sequence: 2n });
    const profile = {
      kind: 'https_spiffe',
      endpointId: parseSpiffeId('spiffe://peer.example/moved'),
    } as const;
    const wrongId = await world.federation.relationships.change(peerName, {
      ...by,
      endpointUrl: moved.url(),
    });
    expect(wrongId.poll).toMatchObject({ kind: 'failed', code: 'endpoint-id-mismatch' });
    expect(world.trusted()).toEqual(only(r1));
    const { relationship, poll } = await world.federation.relationships.change(peerName, { ...by, profile });
    expect(poll.kind).toBe('accepted');
    expect(relationship).toMatchObject({ endpointUrl: moved.url(), profile, state: 'active' });
    const events = await world.store.events({ trustDomain: peerName });
    expect(events.filter(({ kind }) => kind === 'relationship-changed')).toHaveLength(2);
    await world.restart();
    expect(world.federation.peers.status()[0]).toMatchObject({ endpointUrl: moved.url(), profile });
  });

  it('takes the private CA with the profile, and gives it back', async () => {
    peer.become(await webCa.web(['localhost']));
    const web = { ...by, profile: overWeb, endpointUrl: peer.url('/', 'localhost') };
    expect(
      (await world.federation.relationships.change(peerName, { ...web, webPkiCaPem: webCa.pem })).poll.kind,
    ).toBe('unchanged');
    const { poll } = await world.federation.relationships.change(peerName, { ...by, webPkiCaPem: null });
    expect(poll).toMatchObject({ kind: 'failed', code: 'web-certificate-refused' });
  });

  it('drops the private CA when the profile is no longer https_web', async () => {
    const [before] = await world.store.relationships();
    await world.federation.relationships.change(peerName, {
      ...by,
      profile: overWeb,
      webPkiCaPem: webCa.pem,
    });
    expect((await world.store.relationships())[0]).toMatchObject({ webPkiCaPem: webCa.pem });
    const { poll } = await world.federation.relationships.change(peerName, {
      ...by,
      profile: before?.profile ?? overWeb,
    });
    expect(poll.kind).toBe('unchanged');
    expect((await world.store.relationships())[0]).not.toHaveProperty('webPkiCaPem');
  });

  it.each([
    [{ endpointUrl: 'http://peer.example/' }, 'relationship-invalid'],
    [{ webPkiCaPem: 'hello' }, 'relationship-invalid'],
    [
      { profile: { kind: 'https_spiffe', endpointId: parseSpiffeId('spiffe://unknown.example/e') } as const },
      'endpoint-trust-domain-unknown',
    ],
  ])('refuses %j and changes nothing', async (change, code) => {
    const before = await world.store.relationships();
    await expect(world.federation.relationships.change(peerName, { ...by, ...change })).rejects.toMatchObject(
      {
        code,
      },
    );
    expect(await world.store.relationships()).toEqual(before);
    expect(await world.poll()).toBe('unchanged');
  });
});

describe('Federation.remove()', () => {
  it('ends the trust at once, stops polling, and keeps the history (FED-59)', async () => {
    await world.federation.relationships.add(
      addWithBundle(peer, [r1], { sequence: 5n, refreshHintSeconds: 60 }),
    );
    await world.federation.relationships.remove(peerName, {
      actor: 'operator:1000',
      reason: 'no longer wanted',
    });
    expect(world.trusted()).toBeUndefined();
    expect(world.changes.at(-1)).toEqual([peerName, undefined]);
    expect(world.federation.peers.status()).toEqual([]);
    expect(await world.store.current(peerName)).toBeUndefined();
    expect(await world.store.history(peerName)).toHaveLength(1);
    const asked = peer.connections;
    await world.clock.advance(3_600_000);
    expect(peer.connections).toBe(asked);
    await world.restart();
    expect(world.trusted()).toBeUndefined();
  });

  it('takes the trust away first, also where what it called off never ends', async () => {
    await using world = await AgentWorld.start(now);
    peer.answer = serve([r1], { sequence: 1n });
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
    expect(world.trusted()).toHaveLength(1);
    let isStuck = false;
    Object.assign(world.store, {
      rejection: () => {
        isStuck = true;
        return new Promise<never>(() => {});
      },
    });
    peer.answer = serve([r1, r2], { sequence: 2n });
    void world.poll();
    await expect.poll(() => isStuck).toBe(true);
    const removing = world.federation.relationships.remove(peerName, {
      actor: 'operator:1000',
      reason: 'over',
    });
    for (let turn = 0; turn < 1000 && world.trusted(); turn += 1)
      await new Promise((resolve) => setImmediate(resolve));
    expect(world.trusted()).toBeUndefined();
    expect(await world.store.relationships()).toEqual([]);
    await world.clock.untilSleeping(1);
    await world.clock.advance(5000);
    await removing;
    expect(await world.store.incidents()).toEqual([]);
  });

  it('drops the late answer of a fetch in flight', async () => {
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
    let answer = () => {};
    const late = serve([r1, r2], { sequence: 2n });
    peer.answer = (...request) => {
      answer = () => late(...request);
    };
    const seen = peer.requests.length;
    const polling = world.poll();
    await peer.until(({ requests }) => requests.length > seen);
    await world.federation.relationships.remove(peerName, { actor: 'operator:1000', reason: 'test' });
    answer();
    expect(await polling).toBe('called-off');
    expect(world.trusted()).toBeUndefined();
    expect(await world.store.currentAll()).toEqual([]);
  });

  it('drops an answer that arrived while the relationship was being removed elsewhere', async () => {
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
    await world.store.removeRelationship(peerName, { at: now, actor: 'operator:1000', reason: 'test' });
    peer.answer = serve([r1, r2], { sequence: 2n });
    expect(await world.poll()).toBe('called-off');
    expect(await world.store.currentAll()).toEqual([]);
  });

  it('goes on when the store cannot record it', async () => {
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 1n }));
    const removeRelationship = world.store.removeRelationship.bind(world.store);
    world.store.removeRelationship = () => Promise.reject(new Error('disk full'));
    await expect(
      world.federation.relationships.remove(peerName, { actor: 'a', reason: 'r' }),
    ).rejects.toThrow('disk full');
    world.store.removeRelationship = removeRelationship;
    expect(world.trusted()).toEqual(only(r1));
    expect(await world.poll()).toBe('unchanged');
  });

  it('begins from nothing when the peer is added again (FED-60)', async () => {
    await world.federation.relationships.add(addWithBundle(peer, [r1], { sequence: 9n }));
    await world.federation.relationships.remove(peerName, { actor: 'operator:1000', reason: 'test' });
    peer.become(await r2.svid(endpointId));
    peer.answer = serve([r2], { sequence: 1n });
    const { firstPoll } = await world.federation.relationships.add(
      addWithBundle(peer, [r2], { sequence: 1n }),
    );
    expect(firstPoll).toEqual({ kind: 'unchanged' });
    expect(world.trusted()).toEqual(only(r2));
  });

  it('tells that there is none, for every request about one', async () => {
    const nobody: TrustDomain = parseTrustDomain('nobody.example');
    const by = { actor: 'operator:1000', reason: 'test' };
    await expect(world.federation.relationships.remove(nobody, by)).rejects.toMatchObject({
      code: 'not-federated',
    });
    await expect(world.federation.peers.poll(nobody)).rejects.toMatchObject({ code: 'not-federated' });
    await expect(async () => world.federation.peers.of(nobody).pollAgain(by)).rejects.toMatchObject({
      code: 'not-federated',
    });
    await expect(
      world.federation.relationships.setBundle(nobody, { ...by, name: 'x', document: Buffer.from(r1.pem) }),
    ).rejects.toMatchObject({ code: 'not-federated' });
  });
});
