import { status } from '@grpc/grpc-js';
import { readFileSync, rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { PeerEndpoints, SpireAdapterOptions } from '../../../src/mesh-adapters/index.ts';
import { bundleOf, spiffeIdOf, type TrustBundle } from '../../../src/spiffe/index.ts';
import { meshAdapterContract } from '../../../testkit/contract/mesh-adapter-contract.ts';
import { createTestCa } from '../../../testkit/test-ca.ts';
import { openSpire, relationshipOf, spireBundle } from './spire-harness.ts';

const { signal } = new AbortController();

const endpoints: PeerEndpoints = (peer) => ({
  url: `https://${peer}/`,
  profile: { kind: 'https_spiffe', endpointId: spiffeIdOf(peer, '/federate') },
});
const westRelationship = {
  trust_domain: 'west.example',
  bundle_endpoint_url: 'https://west.example/',
  https_spiffe: { endpoint_spiffe_id: 'spiffe://west.example/federate' },
};

meshAdapterContract('createSpireAdapter() with relationships', () => openSpire({ endpoints }));

/** A server, an adapter that makes relationships by default, and the bundle of a peer. */
async function openWest(options: Partial<SpireAdapterOptions> = {}) {
  const mesh = await openSpire({ endpoints, ...options });
  const ca = await createTestCa({ trustDomain: 'west.example' });
  const next = await createTestCa({ trustDomain: 'west.example' });
  const both = (sequence?: bigint) =>
    bundleOf(ca.trustDomain, [ca.authority, next.authority], { ...(sequence && { sequence }) });
  const apply = (...wanted: TrustBundle[]) => mesh.adapter.applyForeignTrust(wanted, signal);
  const writes = () => mesh.spire.calls.filter((call) => call.startsWith('Batch'));
  return Object.assign(mesh, { ca, next, both, apply, writes });
}

describe('createSpireAdapter() with relationships', () => {
  it('makes a relationship with the first bundle, reports that SPIRE polls now, and writes nothing again', async () => {
    await using mesh = await openWest();
    const reports = await mesh.apply(mesh.ca.bundle(7n));
    expect(reports).toMatchObject([{ state: 'accepted', code: 'mesh-polls' }]);
    expect(mesh.spire.relationships.get('west.example')).toEqual(westRelationship);
    expect(mesh.spire.federated.get('west.example')).toMatchObject({ sequence_number: '7' });
    expect(mesh.writes()).toEqual(['BatchCreateFederationRelationship']);
    await mesh.apply(mesh.ca.bundle(8n));
    expect(mesh.writes()).toHaveLength(1);
  });

  it('writes a relationship of the Web PKI, and changes it with the endpoint', async () => {
    let port = 1;
    await using mesh = await openWest({
      endpoints: (peer) => ({ url: `https://${peer}:${port}/x`, profile: { kind: 'https_web' } }),
    });
    await mesh.apply(mesh.ca.bundle());
    port = 2;
    await mesh.apply(mesh.ca.bundle());
    expect(mesh.spire.relationships.get('west.example')).toEqual({
      trust_domain: 'west.example',
      bundle_endpoint_url: 'https://west.example:2/x',
      https_web: {},
    });
  });

  it('makes SPIRE poll at once where it holds something else, and reports where that does not help', async () => {
    await using mesh = await openWest();
    await mesh.apply(mesh.ca.bundle(1n));
    mesh.spire.endpoints.set('west.example', spireBundle(mesh.both(2n)));
    expect(await mesh.apply(mesh.both(2n))).toMatchObject([{ state: 'accepted', code: 'mesh-polls' }]);
    expect(mesh.writes()).toHaveLength(1);
    mesh.spire.endpoints.set('west.example', spireBundle(mesh.next.bundle(3n)));
    mesh.spire.federated.set('west.example', spireBundle(mesh.next.bundle(3n)));
    expect(await mesh.apply(mesh.both(2n))).toMatchObject([
      { state: 'pending', code: 'mesh-polls-otherwise' },
    ]);
    expect(mesh.writes()).toHaveLength(1);
  });

  it('gives SPIRE what we hold where it cannot poll, unless what it has is newer', async () => {
    await using mesh = await openWest();
    await mesh.apply(mesh.ca.bundle(1n));
    expect(await mesh.apply(mesh.both(2n))).toMatchObject([{ state: 'accepted', code: 'mesh-poll-failed' }]);
    expect((await mesh.held())['west.example']).toHaveLength(2);
    mesh.spire.federated.set('west.example', spireBundle(mesh.next.bundle(3n)));
    expect(await mesh.apply(mesh.both(2n))).toMatchObject([
      { state: 'pending', code: 'mesh-polls-otherwise' },
    ]);
    expect(mesh.spire.federated.get('west.example')).toMatchObject({ sequence_number: '3' });
  });

  it('has no relationship where the operator has excluded something, and pushes the bundle instead', async () => {
    let why: string | undefined;
    await using mesh = await openWest({
      endpoints: (peer) => (why === undefined ? endpoints(peer) : { why }),
    });
    await mesh.apply(mesh.ca.bundle());
    // The operator did not admit what SPIRE polled meanwhile.
    mesh.spire.federated.set('west.example', spireBundle(mesh.both()));
    why = 'an offer waits';
    expect(await mesh.apply(mesh.ca.bundle())).toMatchObject([
      { state: 'accepted', code: 'bundle-pushed', message: 'an offer waits' },
    ]);
    expect(mesh.spire.relationships.size).toBe(0);
    expect(await mesh.held()).toEqual({ 'west.example': [mesh.ca.authority.keyFingerprint] });
    why = undefined;
    await mesh.apply(mesh.ca.bundle());
    expect(mesh.spire.relationships.has('west.example')).toBe(true);
  });

  it('ends the relationship of a peer with a refused bundle, and keeps its last good roots', async () => {
    await using mesh = await openWest();
    await mesh.apply(mesh.ca.bundle());
    const stolen = bundleOf(mesh.ca.trustDomain, [mesh.ca.authority, mesh.own.authority]);
    mesh.spire.federated.set('west.example', spireBundle(stolen));
    expect(await mesh.apply(stolen)).toMatchObject([{ state: 'refused', code: 'root-is-own' }]);
    expect(mesh.spire.relationships.size).toBe(0);
    expect(await mesh.held()).toEqual({ 'west.example': [mesh.ca.authority.keyFingerprint] });
  });

  it('changes from one kind to the other and back, exactly, when the option is switched', async () => {
    await using mesh = await openWest();
    const wanted = [mesh.ca.bundle()];
    mesh.spire.relationships.set('north.example', relationshipOf('north.example'));
    const bundles = mesh.create({ endpoints: undefined });
    await bundles.applyForeignTrust(wanted, signal);
    const pushed = await mesh.state();
    expect(await mesh.apply(...wanted)).toMatchObject([{ state: 'accepted', code: 'mesh-polls' }]);
    expect([...mesh.spire.relationships.keys()]).toEqual(['north.example', 'west.example']);
    const begun = mesh.spire.calls.length;
    const again = mesh.create({ endpoints: undefined });
    expect(await again.applyForeignTrust(wanted, signal)).toMatchObject([{ state: 'accepted' }]);
    expect(await mesh.state()).toBe(pushed);
    // The relationship is removed, and SPIRE confirms that no poll is running, before a bundle is
    // written.
    const calls = mesh.spire.calls.slice(begun).filter((call) => !/^(Get|List)/.test(call));
    expect(calls).toEqual(['BatchDeleteFederationRelationship', 'RefreshBundle']);
    expect(await again.applyForeignTrust([], signal)).toMatchObject([{ state: 'removed' }]);
    expect([...mesh.spire.relationships.keys()]).toEqual(['north.example']);
    expect(mesh.spire.federated.size).toBe(0);
  });

  it('takes the relationship out before the bundle, with what SPIRE polled last', async () => {
    await using mesh = await openWest();
    await mesh.apply(mesh.ca.bundle());
    mesh.spire.federated.set('west.example', spireBundle(mesh.both()));
    mesh.spire.entries = [['west.example', 'north.example']];
    expect(await mesh.apply()).toMatchObject([{ state: 'removed', code: 'entries-dissociated' }]);
    expect([mesh.spire.relationships.size, mesh.spire.federated.size]).toEqual([0, 0]);
    expect(mesh.spire.entries).toEqual([['north.example']]);
    const order = mesh.writes().slice(-3);
    expect(order[0]).toBe('BatchDeleteFederationRelationship');
  });

  it.each([
    ['a relationship', 'federation relationship'],
    ['a bundle', 'another client set'],
    ['federates_with in the file', 'configuration file'],
  ])('leaves a trust domain alone that already has %s of another writer', async (kind, words) => {
    await using mesh = await openWest();
    const others = spireBundle(mesh.next.bundle());
    if (kind === 'a relationship')
      mesh.spire.relationships.set('west.example', relationshipOf('west.example'));
    if (kind === 'a bundle') mesh.spire.federated.set('west.example', others);
    if (kind === 'federates_with in the file') {
      mesh.spire.polledByFile.add('west.example');
      mesh.spire.endpoints.set('west.example', others);
    }
    await mesh.apply();
    const before = await mesh.state();
    for (let look = 0; look < 2; look += 1) {
      expect(await mesh.apply(mesh.ca.bundle())).toMatchObject([
        { state: 'refused', code: 'trust-domain-taken', message: expect.stringContaining(words) },
      ]);
    }
    await mesh.apply();
    expect(mesh.writes()).toEqual([]);
    // What SPIRE polled by its own file belongs to SPIRE.
    mesh.spire.federated.delete(kind === 'federates_with in the file' ? 'west.example' : 'none');
    expect(await mesh.state()).toBe(before);
  });

  it('repairs a relationship that another writer changed, and knows its own again without the note', async () => {
    await using mesh = await openWest();
    await mesh.apply(mesh.ca.bundle());
    mesh.spire.relationships.set('west.example', relationshipOf('west.example'));
    await mesh.apply(mesh.ca.bundle());
    expect(mesh.spire.relationships.get('west.example')).toEqual(westRelationship);
    mesh.spire.federated.delete('west.example');
    await mesh.apply(mesh.ca.bundle());
    expect(Object.keys(await mesh.held())).toEqual(['west.example']);
    rmSync(mesh.folder.file('owned.json'));
    await mesh.create().applyForeignTrust([mesh.ca.bundle()], signal);
    expect(await mesh.create().applyForeignTrust([], signal)).toMatchObject([{ state: 'removed' }]);
    expect([mesh.spire.relationships.size, mesh.spire.federated.size]).toEqual([0, 0]);
  });

  it('touches nothing of a peer whose relationship SPIRE does not delete, and recovers', async () => {
    await using mesh = await openWest();
    await mesh.apply(mesh.ca.bundle());
    const before = await mesh.state();
    const fault = { code: status.INTERNAL, message: 'disk' };
    mesh.spire.fault = (call) => (call === 'BatchDeleteFederationRelationship' ? fault : undefined);
    expect(await mesh.apply()).toMatchObject([{ state: 'failed', code: 'mesh-unavailable' }]);
    expect(await mesh.state()).toBe(before);
    mesh.spire.fault = () => undefined;
    mesh.spire.keepRelationships = true;
    expect(await mesh.apply()).toMatchObject([{ state: 'failed', code: 'mesh-unavailable' }]);
    const pushing = mesh.create({ endpoints: undefined });
    expect(await pushing.applyForeignTrust([mesh.both()], signal)).toMatchObject([{ state: 'failed' }]);
    expect(await mesh.state()).toBe(before);
    mesh.spire.keepRelationships = false;
    expect(await mesh.apply()).toMatchObject([{ state: 'removed' }]);
    expect([mesh.spire.relationships.size, mesh.spire.federated.size]).toEqual([0, 0]);
  });

  it('claims nothing that SPIRE did not take: what stands there tomorrow belongs to another writer', async () => {
    await using mesh = await openWest();
    mesh.spire.refuse = () => ({ code: status.INVALID_ARGUMENT, message: 'no such luck' });
    expect(await mesh.apply(mesh.ca.bundle())).toMatchObject([{ state: 'refused', code: 'mesh-refused' }]);
    expect(readFileSync(mesh.folder.file('owned.json'), 'utf8')).not.toContain('west.example');
    mesh.spire.refuse = () => undefined;
    mesh.spire.relationships.set('west.example', relationshipOf('west.example'));
    expect(await mesh.apply(mesh.ca.bundle())).toMatchObject([{ code: 'trust-domain-taken' }]);
  });
});
