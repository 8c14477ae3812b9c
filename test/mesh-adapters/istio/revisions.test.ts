import { describe, expect, it } from 'vitest';
import { createIstioAdapter } from '../../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../../src/platform/index.ts';
import { pemFromCertificates } from '../../../src/spiffe/index.ts';
import { createTestCa } from '../../../testkit/test-ca.ts';
import { FakeApiServer, fail } from '../kubernetes/fake-api-server.ts';

const LONG = { notBefore: new Date('2001-01-01T00:00:00Z'), notAfter: new Date('2090-01-01T00:00:00Z') };
const MESH = 'trustDomain: east.example\ndefaultConfig: {proxyMetadata: {PROXY_CONFIG_XDS_AGENT: "true"}}\n';
const revision = (name: string) => ({ metadata: { labels: { 'istio.io/rev': name } } });
const { signal } = new AbortController();

async function startCluster(more: { readonly allRevisions?: boolean } = {}) {
  const api = new FakeApiServer();
  await api.start();
  const east = await createTestCa({ trustDomain: 'east.example', ...LONG });
  api.put('istio', { mesh: MESH }, revision('default'));
  api.put('istio-canary', { mesh: MESH }, revision('canary'));
  api.put('istio-shared', { mesh: 'enableTracing: true\n' });
  api.put('istio-ca-root-cert', { 'root-cert.pem': pemFromCertificates([east.root]) });
  const adapter = createIstioAdapter({
    kubernetes: api.source,
    systemNamespace: 'istio-system',
    meshConfigMap: 'istio',
    rootConfigMap: { namespace: 'istio-system', name: 'istio-ca-root-cert' },
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    ...more,
  });
  const west = (await createTestCa({ trustDomain: 'west.example', ...LONG })).bundle();
  return {
    api,
    adapter,
    west,
    text: (name: string) => api.objects.get(name)?.data['mesh'] ?? '',
    [Symbol.asyncDispose]: async () => {
      await adapter.stop();
      await api[Symbol.asyncDispose]();
    },
  };
}

describe('createIstioAdapter() with several revisions', () => {
  it('writes the same anchors into each, leaves other ConfigMaps alone, and removes all again', async () => {
    await using cluster = await startCluster();
    const { adapter, west, text } = cluster;
    expect(await adapter.applyForeignTrust([west], signal)).toMatchObject([{ state: 'written' }]);
    expect(text('istio')).toContain('west.example');
    expect(text('istio-canary')).toBe(text('istio'));
    expect(text('istio-shared')).toBe('enableTracing: true\n');
    await adapter.applyForeignTrust([], signal);
    expect([text('istio'), text('istio-canary')]).toEqual([MESH, MESH]);
  });

  it('gives a later revision the anchors that the others have', async () => {
    await using cluster = await startCluster();
    const { api, adapter, west, text } = cluster;
    await adapter.applyForeignTrust([west], signal);
    await adapter.stop();
    const before = text('istio');
    api.put('istio-next', { mesh: MESH }, revision('next'));
    const restarted = createIstioAdapter({
      kubernetes: api.source,
      systemNamespace: 'istio-system',
      meshConfigMap: 'istio',
      rootConfigMap: { namespace: 'istio-system', name: 'istio-ca-root-cert' },
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
    });
    await restarted.applyForeignTrust([west], signal);
    expect([text('istio'), text('istio-next')]).toEqual([before, before]);
    await restarted.stop();
  });

  it('writes only the configured one where the config says so', async () => {
    await using cluster = await startCluster({ allRevisions: false });
    await cluster.adapter.applyForeignTrust([cluster.west], signal);
    expect(cluster.text('istio')).toContain('west.example');
    expect(cluster.text('istio-canary')).toBe(MESH);
  });

  it('uses the configured one where it has no right to list the others, and reports that', async () => {
    await using cluster = await startCluster();
    cluster.api.answer = ({ verb, name }, response) => {
      if (verb !== 'list' || name !== '') return false;
      fail(response, 403, 'configmaps is forbidden');
      return true;
    };
    expect(await cluster.adapter.applyForeignTrust([cluster.west], signal)).toMatchObject([
      { state: 'written', code: 'revisions-unseen' },
    ]);
    expect(cluster.text('istio')).toContain('west.example');
  });

  it.each([
    [
      'cannot be written',
      'mesh-forbidden',
      (api: FakeApiServer) => {
        api.answer = ({ verb, name }, response) => {
          if (verb !== 'put' || name !== 'istio-canary') return false;
          fail(response, 403, 'configmaps "istio-canary" is forbidden');
          return true;
        };
      },
    ],
    [
      'cannot be read',
      'mesh-config-malformed',
      (api: FakeApiServer) => api.put('istio-canary', { mesh: '{' }, revision('canary')),
    ],
  ])('reports a revision that %s, and writes the others', async (_, code, spoil) => {
    await using cluster = await startCluster();
    spoil(cluster.api);
    expect(await cluster.adapter.applyForeignTrust([cluster.west], signal)).toMatchObject([
      { state: 'failed', code, message: expect.stringContaining('istio-canary') },
    ]);
    expect(cluster.text('istio')).toContain('west.example');
  });

  it('does not report a peer as gone that an unwritable revision still has', async () => {
    await using cluster = await startCluster();
    const { api, adapter, west, text } = cluster;
    await adapter.applyForeignTrust([west], signal);
    api.answer = ({ verb, name }, response) => {
      if (verb !== 'put' || name !== 'istio-canary') return false;
      fail(response, 403, 'configmaps "istio-canary" is forbidden');
      return true;
    };
    const still = [{ trustDomain: 'west.example', state: 'failed', code: 'mesh-forbidden' }];
    expect(await adapter.applyForeignTrust([], signal)).toMatchObject(still);
    expect(text('istio')).toBe(MESH);
    expect(await adapter.applyForeignTrust([], signal)).toMatchObject(still);
    api.answer = () => false;
    expect(await adapter.applyForeignTrust([], signal)).toMatchObject([{ state: 'removed' }]);
  });

  it('does not report a peer as gone while a revision cannot be read', async () => {
    await using cluster = await startCluster();
    const { api, adapter, west } = cluster;
    await adapter.applyForeignTrust([west], signal);
    api.put('istio-canary', { mesh: '{' }, revision('canary'));
    const reported = new Set([west.trustDomain]);
    for (const _again of ['at once', 'later'])
      expect(await adapter.applyForeignTrust([], signal, reported)).toMatchObject([
        { trustDomain: 'west.example', state: 'failed', code: 'mesh-config-malformed' },
      ]);
  });

  it('reports that SPIRE gives the identities, and that a shared list would be replaced', async () => {
    await using cluster = await startCluster();
    const { api, adapter, west } = cluster;
    api.put('istio-shared', { mesh: 'caCertificates: [{spiffeBundleUrl: "https://x"}]\n' });
    expect(await adapter.applyForeignTrust([west], signal)).toMatchObject([{ code: 'shared-mesh-config' }]);
    api.put('istio-sidecar-injector', { config: 'templates: {spire: "driver: csi.spiffe.io"}' });
    expect(await adapter.applyForeignTrust([west], signal)).toMatchObject([
      { state: 'written', code: 'spire-integrated' },
    ]);
  });

  it('reads all again where another writer was faster', async () => {
    await using cluster = await startCluster();
    const { api, adapter, west, text } = cluster;
    let changed = false;
    api.beforePut = () => {
      if (changed) return;
      changed = true;
      api.put('istio', { mesh: `${MESH}accessLogFile: /dev/stdout\n` }, revision('default'));
    };
    expect(await adapter.applyForeignTrust([west], signal)).toMatchObject([{ state: 'written' }]);
    expect(text('istio')).toContain('accessLogFile');
    expect(text('istio-canary')).toContain('west.example');
  });
});
