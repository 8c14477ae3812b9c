import { once } from 'node:events';
import { beforeAll, describe, expect, it } from 'vitest';
import { ConnectionRegistry, type PeerVerifier, type VerifiedPeer } from '../../src/mtls/index.ts';
import { bundleOf } from '../../src/spiffe/index.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { HeldSvid, Opened, type TestLeaf, trusting } from './support.ts';

let a: TestCa;
let b: TestCa;
let client: TestLeaf;
let server: TestLeaf;
beforeAll(async () => {
  a = await createTestCa({ trustDomain: 'a.example' });
  b = await createTestCa({ trustDomain: 'b.example' });
  client = await a.issueLeaf({ path: '/client' });
  server = await b.issueLeaf({ path: '/server', notAfter: new Date(TEST_INSTANT.getTime() + 60_000) });
});

/** One open connection, registered on both sides. */
async function connected(world: Opened) {
  const trust = trusting(a.bundle(), b.bundle());
  const { verifier, clock } = trust;
  const { accepted, port } = await world.server({ svid: new HeldSvid(server), verifier });
  const dialed = await world.dial({ port, verifier, svid: new HeldSvid(client) });
  await once(dialed.socket, 'data');
  const [first] = accepted;
  if (!first) throw new Error('the server accepted nothing');
  const log = createRecordingLog();
  const registry = new ConnectionRegistry({ clock, log });
  registry.add({ ...first, peerRole: 'client' });
  registry.add({ ...dialed, peerRole: 'server' });
  return { ...trust, registry, log, dialed, accepted: first };
}

describe('ConnectionRegistry', () => {
  it('reverify() closes those whose root was removed, and only those (FED-61)', async () => {
    await using world = new Opened();
    const { registry, verifier, bundles, log, dialed, accepted } = await connected(world);
    expect(await registry.reverify(verifier)).toBe(0);
    const next = await createTestCa({ trustDomain: 'b.example', subject: 'CN=Next' });
    bundles.set(next.bundle());
    expect(await registry.reverify(verifier)).toBe(1);
    expect(dialed.socket.destroyed).toBe(true);
    expect(log.records).toMatchObject([
      { fields: { code: 'path-refused', peer: server.id, root: b.authority.fingerprint } },
    ]);
    if (!accepted.socket.destroyed) await once(accepted.socket, 'close');
    await expect.poll(() => registry.size).toBe(0);
  });

  it('reverify() leaves the closing to an owner that completes a request first', async () => {
    await using world = new Opened();
    const { verifier, bundles, clock, dialed, log } = await connected(world);
    const registry = new ConnectionRegistry({ clock, log });
    let asked = 0;
    registry.add({ ...dialed, peerRole: 'server', end: () => (asked += 1) });
    bundles.delete(b.trustDomain);
    expect(await registry.reverify(verifier)).toBe(1);
    expect({ asked, destroyed: dialed.socket.destroyed }).toEqual({ asked: 1, destroyed: false });
  });

  it('reverify() continues with the authority and the end of the path that is valid now', async () => {
    await using world = new Opened();
    const { registry, clock, dialed, verifier } = await connected(world);
    const sooner = new Date(TEST_INSTANT.getTime() + 10_000);
    const moved: PeerVerifier = {
      verify: (chain, role): VerifiedPeer => ({
        ...verifier.verify(chain, role),
        anchorFingerprint: 'another',
        ...(role === 'server' ? { notAfter: sooner } : {}),
      }),
    };
    expect(await registry.reverify(moved)).toBe(0);
    expect(registry.list().map(({ peer }) => peer.anchorFingerprint)).toEqual(['another', 'another']);
    await clock.advance(9_999);
    expect(dialed.socket.destroyed).toBe(false);
    await clock.advance(1);
    expect(dialed.socket.destroyed).toBe(true);
  });

  it('closes a connection when the SVID of its peer ends, not before', async () => {
    await using world = new Opened();
    const { registry, clock, log, dialed } = await connected(world);
    expect(registry.size).toBe(2);
    await clock.advance(59_999);
    expect(dialed.socket.destroyed).toBe(false);
    await clock.advance(1);
    expect(dialed.socket.destroyed).toBe(true);
    expect(log.records).toMatchObject([{ fields: { code: 'svid-expired', peer: server.id } }]);
  });

  it('stops waiting for a connection that closed by itself', async () => {
    await using world = new Opened();
    const { registry, clock, dialed } = await connected(world);
    expect(clock.waits()).toHaveLength(2);
    dialed.socket.destroy();
    await expect.poll(() => registry.size).toBe(0);
    expect(clock.waits()).toEqual([]);
  });

  it('closeTrustDomain() closes the peers of one trust domain', async () => {
    await using world = new Opened();
    const { registry, dialed } = await connected(world);
    expect(registry.closeTrustDomain(bundleOf(b.trustDomain, []).trustDomain)).toBe(1);
    expect(dialed.socket.destroyed).toBe(true);
  });
});
