import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSpireAdapter } from '../../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../../src/platform/index.ts';
import { pemFromCertificates } from '../../../src/spiffe/index.ts';
import { FakeSpireServer } from '../../../testkit/fake-spire-server.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';
import { untilHealed } from '../until.ts';
import { until } from '../../../testkit/until.ts';
import { openSpire, spireBundle, trustDomain } from './spire-harness.ts';

const { signal } = new AbortController();

describe('readOwnTrust() of SPIRE', () => {
  let clock: TestClock;
  let mesh: Awaited<ReturnType<typeof openSpire>>;
  let reported: number[];
  let ended: AbortController;
  let following: Promise<void>;
  const code = () => mesh.adapter.status().code;

  beforeEach(async () => {
    clock = new TestClock(TEST_INSTANT);
    mesh = await openSpire({ clock, pollMs: 5000 });
    // From here on the expected server is known.
    await mesh.adapter.applyForeignTrust([], signal);
    reported = [];
    ended = new AbortController();
    following = (async () => {
      for await (const { roots } of mesh.adapter.watchOwnTrust(ended.signal)) reported.push(roots.length);
    })();
    await until(() => reported.length === 1, 'the first roots');
  });
  afterEach(async () => {
    ended.abort();
    await following;
    await mesh[Symbol.asyncDispose]();
  });

  it('returns after the socket disappeared and the server was upgraded', async () => {
    await mesh.spire.stop();
    await untilHealed(clock, () => code() === 'mesh-unreachable', 'the loss');
    let returns = 0;
    mesh.adapter.onProgress(() => (returns += 1));
    await mesh.addOwnRoot();
    rmSync(mesh.socket, { force: true });
    await mesh.spire.start({ socket: mesh.socket });
    await untilHealed(clock, () => reported.length === 2, 'the next roots');
    expect(mesh.adapter.status().connected).toBe(true);
    expect(returns).toBe(1);
  });

  it('gives up on a silent server, and returns', async () => {
    mesh.spire.fault = () => 'silence';
    await untilHealed(clock, () => code() === 'mesh-unreachable', 'the end of patience');
    mesh.spire.fault = () => undefined;
    await untilHealed(clock, () => mesh.adapter.status().connected, 'the recovery');
    expect(reported).toEqual([1]);
  });

  it('keeps its roots when the bundle is malformed, and when another trust domain answers', async () => {
    const before = mesh.spire.own;
    const bad = { asn1: Buffer.from('no certificate'), tainted: false };
    mesh.spire.own = { ...before, x509_authorities: [...before.x509_authorities, bad] };
    await untilHealed(clock, () => code() === 'own-roots-malformed', 'the trouble');
    mesh.spire.own = { ...before, trust_domain: 'No Name' };
    await untilHealed(clock, () => code() === 'own-trust-domain-malformed', 'the other trouble');
    expect(reported).toEqual([1]);
    mesh.spire.own = { ...before, trust_domain: 'renamed.example' };
    await untilHealed(clock, () => code() === 'own-trust-domain-changed', 'the renaming');
    expect(reported).toEqual([1]);
    mesh.spire.own = before;
    await untilHealed(clock, () => mesh.adapter.status().connected, 'the recovery');
  });
});

describe('readOwnTrust() of SPIRE after a restart of the agent', () => {
  it('does not confuse the server of another trust domain with the right one, and recognises the right one again', async () => {
    const clock = new TestClock(TEST_INSTANT);
    await using mesh = await openSpire({ clock, pollMs: 5000 });
    await mesh.adapter.applyForeignTrust([], signal);
    const before = mesh.spire.own;
    mesh.spire.own = { ...before, trust_domain: 'other.example' };
    const again = mesh.create();
    const ended = new AbortController();
    const reported: string[] = [];
    const following = (async () => {
      for await (const own of again.watchOwnTrust(ended.signal)) reported.push(own.trustDomain);
    })();
    await untilHealed(clock, () => again.status().code === 'own-trust-domain-changed', 'the refusal');
    mesh.spire.own = before;
    await untilHealed(clock, () => reported.length === 1, 'the right server');
    expect(reported).toEqual([trustDomain]);
    expect(await again.applyForeignTrust([], signal)).toEqual([]);
    expect(again.status().connected).toBe(true);
    ended.abort();
    await following;
  });

  it('reads the own roots although the note of what is ours is damaged', async () => {
    await using mesh = await openSpire();
    writeFileSync(mesh.folder.file('owned.json'), 'no');
    const ended = new AbortController();
    for await (const own of mesh.adapter.watchOwnTrust(ended.signal)) {
      expect(own.roots).toHaveLength(1);
      ended.abort();
    }
  });
});

describe('openSpire() with an SVID', () => {
  it('identifies the server by its SVID only, and is an administrator only with the right one', async () => {
    const hour = 3_600_000;
    const valid = { notBefore: new Date(Date.now() - hour), notAfter: new Date(Date.now() + hour) };
    const ca = await createTestCa({ trustDomain, ...valid });
    using folder = tempDir();
    const leafOf = async (path: string) => {
      const leaf = await ca.issueLeaf({ path, ...valid });
      writeFileSync(folder.file('client.pem'), leaf.certPem);
      writeFileSync(folder.file('client.key'), leaf.keyPem);
      return leaf;
    };
    const rootsPem = pemFromCertificates([ca.root]);
    writeFileSync(folder.file('roots.pem'), rootsPem);
    const west = await createTestCa({ trustDomain: 'west.example', ...valid });
    const server = new FakeSpireServer(spireBundle(ca.bundle()));
    const { certPem, keyPem } = await ca.issueLeaf({ path: '/spire/server', ...valid });
    const port = await server.start({ certPem, keyPem, rootsPem });
    const adapterAt = (to: number) =>
      createSpireAdapter({
        access: {
          kind: 'mtls',
          address: `127.0.0.1:${to}`,
          certificateFile: folder.file('client.pem'),
          keyFile: folder.file('client.key'),
          trustBundleFile: folder.file('roots.pem'),
          trustDomain,
        },
        pollMs: 5000,
        ownedFile: folder.file('owned.json'),
        clock: systemClock,
        random: systemRandom,
        log: silentLog,
      });
    const apply = (to = port) => adapterAt(to).applyForeignTrust([west.bundle()], signal);
    const { id } = await leafOf('/federate');
    await expect(apply()).rejects.toMatchObject({ code: 'mesh-forbidden' });
    server.admins.add(id);
    expect(await apply()).toMatchObject([{ state: 'accepted' }]);
    const impostor = new FakeSpireServer(spireBundle(ca.bundle()));
    const workload = await ca.issueLeaf({ path: '/workload', ...valid });
    const otherPort = await impostor.start({
      certPem: workload.certPem,
      keyPem: workload.keyPem,
      rootsPem,
    });
    await expect(apply(otherPort)).rejects.toMatchObject({ code: 'mesh-unreachable' });
    expect(impostor.calls).toEqual([]);
    rmSync(folder.file('client.key'));
    await expect(apply()).rejects.toMatchObject({ code: 'credentials-unusable' });
    expect(readFileSync(folder.file('owned.json'), 'utf8')).toContain('west.example');
    await Promise.all([server.stop(), impostor.stop()]);
  });
});
