import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { MeshAdapter } from '../../../src/mesh-adapters/index.ts';
import {
  bundleOf,
  certificatesFromPem,
  isDnsNarrowedAnchor,
  parseCertificate,
  parseTrustDomain,
  pinOfKey,
  type TrustBundle,
} from '../../../src/spiffe/index.ts';
import { meshAdapterContract } from '../../../testkit/contract/mesh-adapter-contract.ts';
import { createTestCa, TEST_INSTANT } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';
import { answerHalf, fail } from '../kubernetes/fake-api-server.ts';
import { untilHealed } from '../until.ts';
import { until } from '../../../testkit/until.ts';
import { openLinkerd, pemOf, VALUES } from './open-linkerd.ts';
import type { FakeLinkerd } from './fake-linkerd.ts';

const { signal } = new AbortController();

meshAdapterContract('createLinkerdAdapter()', () => openLinkerd());

async function firstRoots(adapter: MeshAdapter): Promise<string[]> {
  const ended = new AbortController();
  let keys: string[] = [];
  for await (const { roots } of adapter.watchOwnTrust(ended.signal)) {
    keys = roots.map(({ keyFingerprint }) => keyFingerprint);
    ended.abort();
  }
  return keys;
}

describe('createLinkerdAdapter()', () => {
  it('writes anchors that speak for the DNS identities of the peer alone, and never reports them as its own', async () => {
    await using mesh = await openLinkerd();
    const west = await createTestCa({ trustDomain: 'west.example' });
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    const [, foreign = new Uint8Array()] = certificatesFromPem(mesh.linkerd.anchors);
    expect(isDnsNarrowedAnchor(parseCertificate(foreign))).toBe(true);
    expect(await firstRoots(mesh.adapter)).toEqual([mesh.own.authority.keyFingerprint]);
    // Also after the source is gone while trust-manager was down.
    mesh.linkerd.syncing = false;
    await mesh.adapter.applyForeignTrust([], signal);
    expect(certificatesFromPem(mesh.linkerd.anchors)).toHaveLength(2);
    expect(await firstRoots(mesh.create())).toEqual([mesh.own.authority.keyFingerprint]);
  });

  it('refuses a peer whose SPIFFE IDs its proxies cannot narrow, unless the operator accepted that', async () => {
    await using mesh = await openLinkerd();
    const consul = await createTestCa({ trustDomain: 'consul.example' });
    expect(await mesh.adapter.applyForeignTrust([consul.bundle()], signal)).toMatchObject([
      { state: 'refused', code: 'root-not-narrowable', message: expect.stringContaining('linkerd_peers') },
    ]);
    expect(mesh.linkerd.sources).toEqual({});
    const pins = [pinOfKey(mesh.own.authority.keyFingerprint)];
    const accepting = mesh.create({ acceptUnnarrowed: true, pins });
    expect(await accepting.applyForeignTrust([consul.bundle()], signal)).toMatchObject([
      { state: 'accepted', code: 'root-not-narrowed' },
    ]);
    expect(mesh.linkerd.anchors).toContain(pemOf(consul));
    expect(await firstRoots(accepting)).toEqual([mesh.own.authority.keyFingerprint]);
  });

  it('refuses a twin of an own anchor, and a root with constraints of its own', async () => {
    await using mesh = await openLinkerd();
    const { subjectDer, subjectKeyId = '' } = parseCertificate(mesh.own.root);
    const twin = await createTestCa({ trustDomain: 'west.example', overrides: { subjectDer, subjectKeyId } });
    const constrained = await createTestCa({
      trustDomain: 'north.example',
      overrides: { nameConstraints: { permittedDns: ['only.north.example'] } },
    });
    const reports = await mesh.adapter.applyForeignTrust([twin.bundle(), constrained.bundle()], signal);
    expect(reports.map(({ code }) => code)).toEqual(['twin-root', 'root-constrained']);
  });

  it('refuses a peer with a trust domain above or below another, because DNS anchors speak for everything below', async () => {
    await using mesh = await openLinkerd();
    const names = ['example', 'linkerd.linkerd.example', 'west.example', 'identity.west.example'];
    const cas = await Promise.all(names.map((each) => createTestCa({ trustDomain: each })));
    const [above, below, west, westBelow] = cas.map((ca) => ca.bundle());
    const adapter = mesh.create({ linkerdPeers: cas.map((ca) => ca.trustDomain) });
    const apply = async (...bundles: (TrustBundle | undefined)[]) =>
      (
        await adapter.applyForeignTrust(
          bundles.filter((each) => each !== undefined),
          signal,
        )
      ).map(({ trustDomain: whose, state, code }) => `${whose} ${state} ${code ?? ''}`.trim());
    expect(await apply(west)).toEqual(['west.example accepted']);
    expect(await apply(above, below, westBelow, west)).toEqual([
      'example refused trust-domain-nested',
      'linkerd.linkerd.example refused trust-domain-nested',
      'identity.west.example refused trust-domain-nested',
      'west.example accepted',
    ]);
    expect(await apply(westBelow)).toEqual(['identity.west.example accepted', 'west.example removed']);
  });

  it('admits as many roots of one name as rustls can distinguish, and refuses the peer with one more', async () => {
    await using mesh = await openLinkerd();
    const { subjectDer } = parseCertificate(mesh.own.root);
    const twins = async (trustDomain: string, count: number) => {
      const cas = await Promise.all(
        Array.from({ length: count }, () => createTestCa({ trustDomain, overrides: { subjectDer } })),
      );
      return bundleOf(
        parseTrustDomain(trustDomain),
        cas.map(({ authority }) => authority),
      );
    };
    const west = await twins('west.example', 63);
    const thief = await twins('thief.example', 1);
    const north = await createTestCa({ trustDomain: 'north.example' });
    const apply = (...bundles: TrustBundle[]) => mesh.adapter.applyForeignTrust(bundles, signal);
    expect(await apply(west, north.bundle())).toMatchObject([{ state: 'accepted' }, { state: 'accepted' }]);
    // The later peer is refused, in any order; the others keep their roots.
    expect(await apply(thief, west, north.bundle())).toMatchObject([
      { state: 'refused', code: 'root-name-crowded' },
      { state: 'accepted' },
      { state: 'accepted' },
    ]);
    // What a refused bundle has in the mesh still counts.
    const grown = bundleOf(west.trustDomain, [
      ...west.x509Authorities,
      ...(await twins('west.example', 1)).x509Authorities,
    ]);
    expect(await apply(grown, thief)).toMatchObject([
      { state: 'refused', code: 'root-name-crowded' },
      { state: 'refused', code: 'root-name-crowded' },
      { state: 'removed', trustDomain: 'north.example' },
    ]);
    expect((await mesh.held())['west.example']).toHaveLength(63);
    const fewer = bundleOf(west.trustDomain, west.x509Authorities.slice(1));
    expect(await apply(thief, fewer)).toMatchObject([{ state: 'accepted' }, { state: 'accepted' }]);
  });

  it('reports how far anchors came: written, accepted, in effect, and how many pods are stale', async () => {
    await using mesh = await openLinkerd();
    const { linkerd } = mesh;
    const west = await createTestCa({ trustDomain: 'west.example' });
    const apply = async () => (await mesh.adapter.applyForeignTrust([west.bundle()], signal))[0];
    linkerd.syncing = false;
    expect(await apply()).toMatchObject({ state: 'written' });
    linkerd.syncing = true;
    const old = linkerd.addPod();
    linkerd.sync();
    linkerd.addPod();
    expect(await apply()).toMatchObject({
      state: 'accepted',
      code: 'stale-proxies',
      message: expect.stringContaining('1 of 2 pods'),
    });
    linkerd.api.delete(old);
    expect(await apply()).toMatchObject({ state: 'in-effect' });
    const silent = linkerd.addPod('none');
    expect(await apply()).toMatchObject({ state: 'accepted', code: 'proxies-untold' });
    linkerd.api.delete(silent);
    linkerd.api.answer = ({ collection }, response) => {
      if (!collection.endsWith('/pods')) return false;
      fail(response, 403, 'pods is forbidden');
      return true;
    };
    expect(await apply()).toMatchObject({ state: 'accepted', code: 'pods-unreadable' });
    linkerd.api.answer = () => false;
  });

  it('does not report a peer or a root as gone while pods have it, which is until they are restarted', async () => {
    await using mesh = await openLinkerd();
    const { linkerd } = mesh;
    const west = await createTestCa({ trustDomain: 'west.example' });
    const next = await createTestCa({ trustDomain: 'west.example', subject: 'CN=next' });
    const both = bundleOf(west.trustDomain, [west.authority, next.authority]);
    await mesh.adapter.applyForeignTrust([both], signal);
    const old = linkerd.addPod();
    expect(await mesh.adapter.applyForeignTrust([both], signal)).toMatchObject([{ state: 'in-effect' }]);
    // The text of the anchors is another one now.
    for (const _again of ['at once', 'later'])
      expect(await mesh.adapter.applyForeignTrust([next.bundle()], signal)).toMatchObject([
        { state: 'accepted', code: 'stale-proxies', endedRootsStand: true },
      ]);
    const left = [{ trustDomain: 'west.example', state: 'accepted', code: 'stale-proxies' }];
    const reported = new Set([west.trustDomain]);
    const restarted = mesh.create();
    for (const each of [mesh.adapter, mesh.adapter, restarted, restarted])
      expect(await each.applyForeignTrust([], signal, reported)).toMatchObject(left);
    expect(await mesh.create({ namePrefix: 'other-' }).applyForeignTrust([], signal)).toEqual([]);
    linkerd.api.delete(old);
    linkerd.addPod();
    for (const each of [mesh.adapter, restarted])
      expect(await each.applyForeignTrust([], signal, reported)).toEqual([]);
  });

  it('counts pods of the control plane, which carry no hash with an external CA, by when their containers started', async () => {
    await using mesh = await openLinkerd();
    const { linkerd } = mesh;
    const west = await createTestCa({ trustDomain: 'west.example' });
    const reported = new Set([west.trustDomain]);
    const apply = async (...bundles: Parameters<typeof mesh.adapter.applyForeignTrust>[0]) =>
      await mesh.adapter.applyForeignTrust(bundles, signal, reported);
    linkerd.changedAt = '2030-01-01T12:00:00Z';
    const old = linkerd.addControlPlanePod('2030-01-01T11:00:00Z');
    expect(await apply(west.bundle())).toMatchObject([
      { state: 'accepted', code: 'stale-proxies', message: expect.stringContaining('1 of 1 pods') },
    ]);
    // A kubelet may have started it with the ConfigMap of before.
    linkerd.api.delete(old);
    const early = linkerd.addControlPlanePod('2030-01-01T12:00:03Z');
    expect(await apply(west.bundle())).toMatchObject([{ state: 'accepted', code: 'stale-proxies' }]);
    linkerd.api.delete(early);
    const right = linkerd.addControlPlanePod('2030-01-01T12:01:00Z');
    linkerd.addControlPlanePod('2030-01-01T10:00:00Z', 'Succeeded');
    expect(await apply(west.bundle())).toMatchObject([{ state: 'in-effect' }]);
    // The peer is removed and the workloads are restarted: destination, identity and injector still
    // have its anchor.
    linkerd.changedAt = '2030-01-01T13:00:00Z';
    await apply();
    linkerd.addPod();
    expect(await apply()).toMatchObject([
      {
        trustDomain: 'west.example',
        state: 'accepted',
        code: 'stale-proxies',
        message: expect.stringContaining('restart the control plane'),
      },
    ]);
    linkerd.api.delete(right);
    const starting = linkerd.addControlPlanePod(undefined);
    expect(await apply()).toMatchObject([{ state: 'accepted', code: 'proxies-untold' }]);
    linkerd.api.delete(starting);
    linkerd.addControlPlanePod('2030-01-01T13:30:00Z');
    expect(await apply()).toEqual([]);
  });

  it('does not report a peer as gone where the API server does not show when the anchors changed', async () => {
    await using mesh = await openLinkerd();
    const { linkerd } = mesh;
    const west = await createTestCa({ trustDomain: 'west.example' });
    linkerd.addControlPlanePod('2030-01-01T11:00:00Z');
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { state: 'accepted', code: 'proxies-untold' },
    ]);
    expect(await mesh.adapter.applyForeignTrust([], signal, new Set([west.trustDomain]))).toMatchObject([
      { state: 'accepted', code: 'proxies-untold' },
    ]);
  });

  it('reports a peer as gone that no pod can have, whatever else pods have', async () => {
    await using mesh = await openLinkerd();
    const { linkerd } = mesh;
    const west = await createTestCa({ trustDomain: 'west.example' });
    linkerd.addPod('0'.repeat(64));
    linkerd.syncing = false;
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    expect(await mesh.adapter.applyForeignTrust([], signal)).toMatchObject([
      { state: 'removed', code: 'stale-proxies' },
    ]);
  });

  it('reports that until trust-manager has removed what has ended: a peer, and a root of one, also after a restart', async () => {
    await using mesh = await openLinkerd();
    const { linkerd } = mesh;
    const west = await createTestCa({ trustDomain: 'west.example' });
    const next = await createTestCa({ trustDomain: 'west.example', subject: 'CN=next' });
    const north = await createTestCa({ trustDomain: 'north.example' });
    const both = bundleOf(west.trustDomain, [west.authority, next.authority]);
    await mesh.adapter.applyForeignTrust([both, north.bundle()], signal);
    linkerd.syncing = false;
    const left = { state: 'written', code: 'anchors-not-taken-out' };
    const after = [
      { ...left, trustDomain: 'west.example', endedRootsStand: true },
      { ...left, trustDomain: 'north.example' },
    ];
    expect(await mesh.adapter.applyForeignTrust([next.bundle()], signal)).toMatchObject(after);
    expect(await mesh.create().applyForeignTrust([next.bundle()], signal)).toMatchObject(after);
    linkerd.syncing = true;
    linkerd.sync();
    const [kept, ...gone] = await mesh.adapter.applyForeignTrust([next.bundle()], signal);
    expect([kept, gone]).toMatchObject([
      { state: 'accepted', trustDomain: 'west.example', endedRootsStand: false },
      [],
    ]);
  });

  it('does not take the anchors of another agent for its own that have ended', async () => {
    await using mesh = await openLinkerd();
    const west = await createTestCa({ trustDomain: 'west.example' });
    const north = await createTestCa({ trustDomain: 'north.example' });
    const other = mesh.create({ namePrefix: 'other-' });
    await other.applyForeignTrust([west.bundle()], signal);
    expect(await mesh.adapter.applyForeignTrust([north.bundle()], signal)).toMatchObject([
      { state: 'accepted', trustDomain: 'north.example' },
    ]);
  });

  it.each([
    ['no Bundle', (linkerd: FakeLinkerd) => linkerd.deleteBundle(), 'bundle-missing'],
    [
      'a Bundle that does not take our sources',
      (linkerd: FakeLinkerd) => linkerd.putBundle([]),
      'bundle-source-missing',
    ],
    [
      'a Bundle that takes another key',
      (linkerd: FakeLinkerd) =>
        linkerd.putBundle([
          {
            configMap: { selector: { matchLabels: { 'federate.dev/foreign-trust': 'true' } }, key: 'ca.pem' },
          },
        ]),
      'bundle-source-missing',
    ],
    [
      'a Bundle that takes a source by name',
      (linkerd: FakeLinkerd) =>
        linkerd.putBundle([{ configMap: { name: 'federate-x', key: 'ca-bundle.crt' } }]),
      'bundle-source-by-name',
    ],
    [
      'an installation that writes its anchors itself',
      (linkerd: FakeLinkerd) => linkerd.putValues('identityTrustDomain: linkerd.example\n'),
      'external-ca-off',
    ],
  ])('reports that %s is in the way, with the remedy', async (_what, change, code) => {
    await using mesh = await openLinkerd();
    change(mesh.linkerd);
    const west = await createTestCa({ trustDomain: 'west.example' });
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([{ code }]);
  });

  it('reports that trust-manager did not sync, and why', async () => {
    await using mesh = await openLinkerd();
    mesh.linkerd.putBundle([
      {
        configMap: {
          selector: { matchLabels: { 'federate.dev/foreign-trust': 'true' } },
          key: 'ca-bundle.crt',
        },
      },
      { configMap: { name: 'theirs', key: 'ca.pem' } },
    ]);
    const west = await createTestCa({ trustDomain: 'west.example' });
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { state: 'written', code: 'bundle-not-synced', message: expect.stringContaining('SourceNotFound') },
    ]);
  });

  it('keeps its anchors after a restart, so that no pod is stale without need', async () => {
    await using mesh = await openLinkerd();
    const west = await createTestCa({ trustDomain: 'west.example' });
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    const before = await mesh.state();
    await mesh.create().applyForeignTrust([west.bundle()], signal);
    expect(await mesh.state()).toBe(before);
  });

  it('treats what another agent wrote as taken, and leaves it alone', async () => {
    await using mesh = await openLinkerd();
    const west = await createTestCa({ trustDomain: 'west.example' });
    const other = mesh.create({ namePrefix: 'partner-' });
    await other.applyForeignTrust([west.bundle()], signal);
    const before = mesh.linkerd.anchors;
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { state: 'refused', code: 'trust-domain-taken' },
    ]);
    expect(mesh.linkerd.anchors).toBe(before);
  });

  it('repairs what another writer changed in its ConfigMaps, and deletes one it does not know', async () => {
    await using mesh = await openLinkerd();
    const west = await createTestCa({ trustDomain: 'west.example' });
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    const before = await mesh.state();
    const [path = ''] = Object.keys(mesh.linkerd.sources);
    const name = path.slice(path.lastIndexOf('/') + 1);
    const labels = { 'federate.dev/foreign-trust': 'true' };
    mesh.linkerd.putSource(name, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { labels, annotations: { 'federate.dev/trust-domain': 'north.example' } },
      data: { 'ca-bundle.crt': 'spoiled' },
    });
    mesh.linkerd.putSource('federate-unknown', { metadata: { labels }, data: {} });
    const changed = await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    expect(changed).toMatchObject([{ state: 'accepted' }]);
    expect(JSON.parse(await mesh.state())[1]).toHaveLength(1);
    expect(await mesh.held()).toEqual({ 'west.example': [west.authority.keyFingerprint] });
    expect((await mesh.state()).length).toBe(before.length);
  });

  it('does not write over a ConfigMap that has its name and is not its own', async () => {
    await using mesh = await openLinkerd();
    const west = await createTestCa({ trustDomain: 'west.example' });
    await mesh.adapter.applyForeignTrust([west.bundle()], signal);
    const [path = ''] = Object.keys(mesh.linkerd.sources);
    await mesh.adapter.applyForeignTrust([], signal);
    mesh.linkerd.api.putObject(path, { kind: 'ConfigMap', metadata: { labels: {} }, data: { theirs: 'x' } });
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { state: 'refused', code: 'trust-domain-taken' },
    ]);
    expect(mesh.linkerd.api.object(path)?.['data']).toEqual({ theirs: 'x' });
  });
});

describe('writeForeignTrust() of Linkerd', () => {
  it.each([
    ['get', 403, 'mesh-forbidden'],
    ['get', 404, 'mesh-not-found'],
    ['list', 500, 'mesh-unavailable'],
    ['list', 410, 'mesh-expired'],
  ] as const)('changes nothing and reports the reason when %s is answered with %i (%s), and recovers', async (verb, status, code) => {
    await using mesh = await openLinkerd();
    const { api } = mesh.linkerd;
    const west = await createTestCa({ trustDomain: 'west.example' });
    api.answer = (request, response) => {
      if (request.verb !== verb) return false;
      fail(response, status, 'no such luck');
      return true;
    };
    const failing = mesh.adapter.applyForeignTrust([west.bundle()], signal);
    await expect(failing).rejects.toMatchObject({ code, message: expect.stringContaining('no such luck') });
    expect(mesh.adapter.status()).toMatchObject({ connected: false, code });
    expect(mesh.linkerd.sources).toEqual({});
    api.answer = () => false;
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { state: 'accepted' },
    ]);
    expect(mesh.adapter.status().connected).toBe(true);
  });

  it.each([
    [403, { state: 'failed', code: 'mesh-forbidden' }, false],
    [422, { state: 'refused', code: 'mesh-refused' }, true],
    [500, { state: 'failed', code: 'mesh-unavailable' }, false],
  ] as const)('reports a ConfigMap that is answered with %i for its peer, and heals', async (status, reported, connected) => {
    await using mesh = await openLinkerd();
    const { api } = mesh.linkerd;
    const west = await createTestCa({ trustDomain: 'west.example' });
    api.answer = (request, response) => {
      if (request.verb !== 'post') return false;
      fail(response, status, 'no such luck');
      return true;
    };
    const message = expect.stringContaining('no such luck') as string;
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { ...reported, message },
    ]);
    // A mesh that accepts nothing is in trouble; one that refuses a peer is well.
    expect(mesh.adapter.status().connected).toBe(connected);
    api.answer = () => false;
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { state: 'accepted' },
    ]);
    expect(mesh.adapter.status().connected).toBe(true);
  });

  it('finds after an incomplete answer that all is written, and does not write it again', async () => {
    await using mesh = await openLinkerd();
    const { api } = mesh.linkerd;
    const west = await createTestCa({ trustDomain: 'west.example' });
    api.onWrite = () => {
      mesh.linkerd.sync();
      api.answer = () => false;
    };
    api.answer = ({ verb }, response) => {
      if (verb !== 'post') return false;
      response.writeHead = () => response;
      response.end = ((): typeof response => {
        answerHalf(response);
        return response;
      }) as typeof response.end;
      return false;
    };
    await mesh.adapter.applyForeignTrust([west.bundle()], signal).catch(() => {});
    expect(await mesh.adapter.applyForeignTrust([west.bundle()], signal)).toMatchObject([
      { state: 'accepted' },
    ]);
    expect(api.count('post')).toBe(1);
  });
});

describe('readOwnTrust() of Linkerd', () => {
  let clock: TestClock;
  let mesh: Awaited<ReturnType<typeof openLinkerd>>;
  let reported: string[];
  let ended: AbortController;
  let following: Promise<void>;
  const code = () => mesh.adapter.status().code;

  beforeEach(async () => {
    clock = new TestClock(TEST_INSTANT);
    mesh = await openLinkerd({ clock });
    reported = [];
    ended = new AbortController();
    following = (async () => {
      for await (const own of mesh.adapter.watchOwnTrust(ended.signal))
        reported.push(`${own.trustDomain} ${own.roots.length}`);
    })();
    await until(() => reported.length === 1 && mesh.linkerd.api.watches === 2, 'the first roots');
  });
  afterEach(async () => {
    ended.abort();
    await following;
    await mesh[Symbol.asyncDispose]();
  });

  it('keeps its roots when the anchors turn bad, and learns of the next ones', async () => {
    mesh.linkerd.putAnchors('');
    await until(() => code() === 'own-roots-malformed', 'the empty anchors');
    mesh.linkerd.putAnchors('-----BEGIN CERTIFICATE-----\nMIIB');
    mesh.linkerd.putValues('[');
    await until(() => code() === 'mesh-config-malformed', 'the values that are none');
    mesh.linkerd.putValues('identityTrustDomain: "No Name"');
    mesh.linkerd.putOwn(pemOf(mesh.own));
    await until(() => code() === 'own-trust-domain-malformed', 'the name that is none');
    expect(reported).toEqual(['linkerd.example 1']);
    mesh.linkerd.putValues(VALUES);
    await mesh.addOwnRoot();
    await until(() => reported.length === 2, 'the next roots');
    expect(reported[1]).toBe('linkerd.example 2');
  });

  it('falls back to the cluster domain, as Linkerd does, when it is renamed under us', async () => {
    mesh.linkerd.putValues('clusterDomain: cluster.west\n');
    await until(() => reported.length === 2, 'the new name');
    mesh.linkerd.putValues('{}');
    await until(() => reported.length === 3, 'the default');
    expect(reported.slice(1)).toEqual(['cluster.west 1', 'cluster.local 1']);
  });

  it('returns after the API server was down', async () => {
    await mesh.linkerd.api.stop();
    await untilHealed(clock, () => code() === 'mesh-unreachable', 'the loss');
    await mesh.linkerd.api.start();
    await untilHealed(clock, () => mesh.adapter.status().connected, 'the recovery');
    expect(reported).toHaveLength(1);
  });
});
