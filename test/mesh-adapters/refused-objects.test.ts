import { status } from '@grpc/grpc-js';
import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  createFilesAdapter,
  createKumaAdapter,
  type MeshAdapter,
  withClusterTrustBundles,
} from '../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../src/platform/index.ts';
import { bundleOf, parseTrustDomain, pemFromCertificates } from '../../src/spiffe/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, type TestCa } from '../../testkit/test-ca.ts';
import { FakeApiServer, fail } from './kubernetes/fake-api-server.ts';
import { FakeKumaControlPlane, refuse } from './kuma/fake-control-plane.ts';
import { openLinkerd } from './linkerd/open-linkerd.ts';
import { openSpire } from './spire/spire-harness.ts';

/** A mesh that a test can make refuse all that is written for one trust domain. */
interface RefusingMesh {
  readonly adapter: MeshAdapter;
  /** Answers each write for `a-copycat.example` with an HTTP status, or in the words of the mesh for it. */
  readonly refuse: (code: number) => void;
  readonly [Symbol.asyncDispose]: () => Promise<void>;
}

/** Object names of `a-copycat.example` begin with this, for any prefix. */
const HOSTILE = 'a-copycat-example';

function refuseIn(api: FakeApiServer): (code: number) => void {
  return (code) => {
    api.answer = ({ verb, name }, response) => {
      if (!(verb === 'put' || verb === 'delete') || !name.includes(HOSTILE)) return false;
      fail(response, code, 'no such luck');
      return true;
    };
  };
}

async function linkerd(): Promise<RefusingMesh> {
  const mesh = await openLinkerd();
  return {
    adapter: mesh.adapter,
    refuse: refuseIn(mesh.linkerd.api),
    [Symbol.asyncDispose]: () => mesh[Symbol.asyncDispose](),
  };
}

async function clusterTrustBundles(): Promise<RefusingMesh> {
  const folder = tempDir();
  const api = new FakeApiServer();
  await api.start();
  const trustDomain = parseTrustDomain('east.example');
  writeFileSync(folder.file('own.pem'), pemFromCertificates([(await createTestCa({ trustDomain })).root]));
  const files = createFilesAdapter({
    trustDomain,
    own: { pemFiles: [folder.file('own.pem')] },
    foreignFolder: folder.file('foreign'),
    pollMs: 5,
    clock: systemClock,
    log: silentLog,
  });
  const adapter = withClusterTrustBundles(files, {
    kubernetes: api.source,
    marks: { namePrefix: 'federate-' },
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  const ended = new AbortController();
  for await (const _own of adapter.watchOwnTrust(ended.signal)) ended.abort();
  return {
    adapter,
    refuse: refuseIn(api),
    [Symbol.asyncDispose]: async () => {
      await adapter.stop();
      await api[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

const KUMA = {
  mesh: 'default',
  namePrefix: 'federate-',
  clock: systemClock,
  random: systemRandom,
  log: silentLog,
};

async function kumaRest(): Promise<RefusingMesh> {
  const kuma = new FakeKumaControlPlane();
  await kuma.start();
  const own = await createTestCa({ trustDomain: 'kuma.example' });
  kuma.putOwn('kuma.example', [pemFromCertificates([own.root])]);
  const adapter = createKumaAdapter({ ...KUMA, access: { kind: 'rest', address: kuma.url, pollMs: 5 } });
  return {
    adapter,
    refuse: (code) => {
      kuma.answer = ({ method, path }, response) => {
        if (method === 'GET' || !path.includes(HOSTILE)) return false;
        refuse(response, code, 'Could not', 'no such luck');
        return true;
      };
    },
    [Symbol.asyncDispose]: async () => {
      await adapter.stop();
      await kuma.stop();
    },
  };
}

async function kumaKubernetes(): Promise<RefusingMesh> {
  const api = new FakeApiServer();
  await api.start();
  const own = await createTestCa({ trustDomain: 'kuma.example' });
  api.putObject('/apis/kuma.io/v1alpha1/namespaces/kuma-system/meshtrusts/identity', {
    kind: 'MeshTrust',
    metadata: { labels: { 'kuma.io/mesh': 'default' } },
    spec: {
      trustDomain: 'kuma.example',
      caBundles: [{ type: 'Pem', pem: { value: pemFromCertificates([own.root]) } }],
    },
    status: { origin: { kri: 'kri_mid_default_zone-1_kuma-system_identity_' } },
  });
  const access = { kind: 'kubernetes', kubernetes: api.source, namespace: 'kuma-system' } as const;
  const adapter = createKumaAdapter({ ...KUMA, access });
  return {
    adapter,
    refuse: refuseIn(api),
    [Symbol.asyncDispose]: async () => {
      await adapter.stop();
      await api[Symbol.asyncDispose]();
    },
  };
}

async function spire(): Promise<RefusingMesh> {
  const mesh = await openSpire();
  return {
    adapter: mesh.adapter,
    refuse: (code) => {
      const answer = {
        code: code === 422 ? status.INVALID_ARGUMENT : status.INTERNAL,
        message: 'no such luck',
      };
      mesh.spire.refuse = (name) => (name === 'a-copycat.example' ? answer : undefined);
      mesh.spire.refuseDelete = mesh.spire.refuse;
    },
    [Symbol.asyncDispose]: () => mesh[Symbol.asyncDispose](),
  };
}

describe.each([
  ['Linkerd', linkerd],
  ['ClusterTrustBundles', clusterTrustBundles],
  ['Kuma over REST', kumaRest],
  ['Kuma over Kubernetes', kumaKubernetes],
  ['SPIRE', spire],
] as const)('a mesh that refuses what is written for one peer: %s', (_mesh, open) => {
  const { signal } = new AbortController();
  const peers = () =>
    Promise.all(
      ['a-copycat.example', 'a-copycat.example', 'north.example', 'west.example'].map((trustDomain) =>
        createTestCa({ trustDomain }),
      ),
    ) as Promise<[TestCa, TestCa, TestCa, TestCa]>;

  it.each([
    422, 500,
  ])('answered with %i, it removes what ends for later peers, and writes what is new for them', async (code) => {
    await using mesh = await open();
    const [hostile, next, north, west] = await peers();
    await mesh.adapter.applyForeignTrust([hostile.bundle(), north.bundle()], signal);
    mesh.refuse(code);
    const reports = await mesh.adapter.applyForeignTrust(
      [bundleOf(hostile.trustDomain, [hostile.authority, next.authority]), west.bundle()],
      signal,
    );
    const byName = new Map(reports.map((report) => [report.trustDomain as string, report]));
    expect(byName.get('a-copycat.example')?.code).toBeDefined();
    expect(byName.get('north.example')).toMatchObject({ state: 'removed' });
    expect(['written', 'accepted']).toContain(byName.get('west.example')?.state);
    expect(byName.get('west.example')?.code).toBeUndefined();
  });

  it.each([422, 500])('answered with %i, it does not report the peer as gone', async (code) => {
    await using mesh = await open();
    const [hostile, , north] = await peers();
    await mesh.adapter.applyForeignTrust([hostile.bundle(), north.bundle()], signal);
    mesh.refuse(code);
    const reported = new Set([hostile.trustDomain, north.trustDomain]);
    const reports = await mesh.adapter.applyForeignTrust([], signal, reported);
    const byName = new Map(reports.map((report) => [report.trustDomain as string, report]));
    expect(['failed', 'refused']).toContain(byName.get('a-copycat.example')?.state);
    expect(byName.get('north.example')).toMatchObject({ state: 'removed' });
    // It is reported each time, until it is done.
    const again = await mesh.adapter.applyForeignTrust([], signal, reported);
    expect(again.map(({ trustDomain }) => trustDomain)).toContain('a-copycat.example');
  });
});
