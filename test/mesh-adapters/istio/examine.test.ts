import { describe, expect, it } from 'vitest';
import { examineIstio } from '../../../src/mesh-adapters/index.ts';
import { pemFromCertificates } from '../../../src/spiffe/index.ts';
import { createTestCa, TEST_INSTANT } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { startIstio } from '../../simulated-mesh/support/meshes.ts';
import { systemClock } from '../../../src/platform/index.ts';
import { FakeApiServer, fail } from '../kubernetes/fake-api-server.ts';

const DEPLOYMENTS = '/apis/apps/v1/namespaces/istio-system/deployments';
const NAMESPACES = '/api/v1/namespaces';
const PEER_AUTHENTICATIONS = '/apis/security.istio.io/v1/peerauthentications';
const POLICIES = '/apis/security.istio.io/v1/authorizationpolicies';
const DESTINATION_RULES = '/apis/networking.istio.io/v1/destinationrules';
const SERVICE_ENTRIES = '/apis/networking.istio.io/v1/serviceentries';

const MESH = `trustDomain: east.example
defaultConfig:
  proxyMetadata:
    PROXY_CONFIG_XDS_AGENT: "true"
`;

const object = (name: string, namespace: string, spec: object, more: object = {}) => ({
  metadata: { name, namespace, ...more },
  spec,
});

function istiod(env: Readonly<Record<string, string>>, revision = 'default') {
  const list = Object.entries(env).map(([name, value]) => ({ name, value }));
  const spec = { template: { spec: { containers: [{ name: 'discovery', env: list }] } } };
  const name = revision === 'default' ? 'istiod' : `istiod-${revision}`;
  return object(name, 'istio-system', spec, { labels: { app: 'istiod', 'istio.io/rev': revision } });
}

const namespace = (name: string, labels: object = { 'istio-injection': 'enabled' }) => ({
  metadata: { name, labels },
});

const allow = (source: object) => object('allow', 'shop', { rules: [{ from: [{ source }] }] });

/** The label of an installed revision's mesh ConfigMap. */
const CANARY = { metadata: { labels: { 'istio.io/rev': 'canary' } } };

type Made = Parameters<FakeApiServer['putObject']>[1];

/** Makes a collection of the whole cluster, or of `istio-system`, hold just these objects. */
function set(api: FakeApiServer, path: string, objects: readonly Made[]): void {
  const plural = path.slice(path.lastIndexOf('/'));
  for (const name of Object.keys(api.under(`${path}/`)))
    if (!name.slice(path.length + 1).includes('/')) api.delete(name);
  for (const each of objects) {
    const { name } = Object(each.metadata) as { name?: string };
    api.putObject(`${path}/${name ?? plural}`, each);
  }
}

/** A cluster without mistakes. */
async function startCluster(): Promise<FakeApiServer> {
  const api = new FakeApiServer();
  await api.start();
  api.put('istio', { mesh: MESH });
  api.put('istio-ca-root-cert', { 'root-cert.pem': '' });
  api.put('istio-sidecar-injector', { config: 'templates:\n  sidecar: |\n    spec: {}\n' });
  set(api, DEPLOYMENTS, [istiod({ ISTIO_MULTIROOT_MESH: 'true' }), object('grafana', 'istio-system', {})]);
  set(api, NAMESPACES, [namespace('shop'), namespace('kube-system', {})]);
  set(api, PEER_AUTHENTICATIONS, [object('default', 'istio-system', { mtls: { mode: 'STRICT' } })]);
  set(api, POLICIES, [allow({ principals: ['west.example/ns/shop/sa/web'] })]);
  set(api, DESTINATION_RULES, []);
  set(api, SERVICE_ENTRIES, []);
  return api;
}

async function examine(api: FakeApiServer) {
  const { findings, examined } = await examineIstio({
    kubernetes: api.source,
    systemNamespace: 'istio-system',
    clock: new TestClock(TEST_INSTANT),
    signal: new AbortController().signal,
  });
  return { findings, examined, codes: findings.map(({ code }) => code) };
}

const federated = object('west', 'shop', {
  hosts: ['web.west.federated'],
  location: 'MESH_INTERNAL',
  subjectAltNames: ['spiffe://west.example/ns/shop/sa/web'],
});
const ruleFor = (host: string, tls: object) => object('west', 'shop', { host, trafficPolicy: { tls } });

const TRAPS: readonly [string, string, (api: FakeApiServer) => void][] = [
  ['multiroot-off', 'istiod without the flag', (api) => set(api, DEPLOYMENTS, [istiod({})])],
  [
    'multiroot-off',
    'one revision of two without the flag',
    (api) => set(api, DEPLOYMENTS, [istiod({ ISTIO_MULTIROOT_MESH: 'true' }), istiod({}, 'canary')]),
  ],
  [
    'trust-domain-check-off',
    'a switched off check of trust domains',
    (api) =>
      set(api, DEPLOYMENTS, [
        istiod({ ISTIO_MULTIROOT_MESH: '1', PILOT_SKIP_VALIDATE_TRUST_DOMAIN: 'true' }),
      ]),
  ],
  [
    'xds-agent-off',
    'proxies without the xDS agent',
    (api) => api.put('istio', { mesh: 'trustDomain: east.example\n' }),
  ],
  [
    'trust-domain-ambiguous',
    'the default trust domain',
    (api) => api.put('istio', { mesh: MESH.replace('east.example', 'cluster.local') }),
  ],
  ['mesh-config-missing', 'no mesh ConfigMap', (api) => api.delete('istio')],
  ['mesh-config-malformed', 'a mesh config that is not YAML', (api) => api.put('istio', { mesh: '{' })],
  [
    'revisions-differ',
    'a revision with other roots',
    (api) =>
      api.put(
        'istio-canary',
        { mesh: `${MESH}caCertificates: [{trustDomains: [west.example], spiffeBundleUrl: "https://x"}]\n` },
        CANARY,
      ),
  ],
  [
    'foreign-entry-invalid',
    'a bad certificate of another owner',
    (api) => api.put('istio', { mesh: `${MESH}caCertificates: [{pem: nonsense}]\n` }),
  ],
  [
    'foreign-alias',
    'a foreign trust domain among the aliases',
    (api) =>
      api.put('istio', {
        mesh: `${MESH}trustDomainAliases: [west.example]\ncaCertificates: [{trustDomains: [west.example], spiffeBundleUrl: "https://x"}]\n`,
      }),
  ],
  [
    'spire-integrated',
    'sidecars with the socket of SPIRE',
    (api) =>
      api.put('istio-sidecar-injector', { config: 'templates:\n  spire: |\n    driver: "csi.spiffe.io"\n' }),
  ],
  [
    'ambient-namespace',
    'a namespace in ambient mode',
    (api) =>
      set(api, NAMESPACES, [namespace('shop'), namespace('mesh', { 'istio.io/dataplane-mode': 'ambient' })]),
  ],
  ['mtls-not-strict', 'no policy about mTLS', (api) => set(api, PEER_AUTHENTICATIONS, [])],
  [
    'mtls-permissive',
    'a permissive policy',
    (api) =>
      set(api, PEER_AUTHENTICATIONS, [
        object('default', 'istio-system', { mtls: { mode: 'STRICT' } }),
        object('web', 'shop', { selector: { matchLabels: { app: 'web' } }, mtls: { mode: 'PERMISSIVE' } }),
      ]),
  ],
  [
    'mtls-permissive',
    'a port without mTLS',
    (api) =>
      set(api, PEER_AUTHENTICATIONS, [
        object('default', 'istio-system', {
          mtls: { mode: 'STRICT' },
          portLevelMtls: { '80': { mode: 'DISABLE' } },
        }),
      ]),
  ],
  [
    'namespace-only-rule',
    'a rule by namespace',
    (api) => set(api, POLICIES, [allow({ namespaces: ['shop'] })]),
  ],
  [
    'service-account-only-rule',
    'a rule by service account',
    (api) => set(api, POLICIES, [allow({ serviceAccounts: ['shop/web'] })]),
  ],
  ['wildcard-principal', 'the principal *', (api) => set(api, POLICIES, [allow({ principals: ['*'] })])],
  [
    'wildcard-principal',
    'a principal by its end',
    (api) => set(api, POLICIES, [allow({ principals: ['*/sa/web'], namespaces: ['shop'] })]),
  ],
  [
    'exclusion-only-rule',
    'a rule that only excludes',
    (api) => set(api, POLICIES, [allow({ notPrincipals: ['east.example/ns/shop/sa/bad'] })]),
  ],
  [
    'service-entry-without-names',
    'a way out without names',
    (api) =>
      set(api, SERVICE_ENTRIES, [
        object('west', 'shop', { hosts: ['web.west.federated'], location: 'MESH_INTERNAL' }),
      ]),
  ],
  [
    'destination-rule-without-names',
    'a rule with an SNI and no names',
    (api) =>
      set(api, DESTINATION_RULES, [ruleFor('web.west.federated', { mode: 'ISTIO_MUTUAL', sni: 'web' })]),
  ],
];

describe('examineIstio()', () => {
  it('finds nothing in a mesh that is ready for foreign roots', async () => {
    await using api = await startCluster();
    const { findings, examined } = await examine(api);
    expect(findings).toEqual([]);
    expect(examined).toEqual([
      'deployments of istiod: 1',
      'ConfigMaps of the system namespace: 3',
      'namespaces: 2',
      'PeerAuthentications: 1',
      'AuthorizationPolicies: 1',
      'DestinationRules: 0',
      'ServiceEntries: 0',
    ]);
  });

  it.each(TRAPS)('reports %s for %s', async (code, _, spoil) => {
    await using api = await startCluster();
    spoil(api);
    const { findings } = await examine(api);
    const found = findings.filter(({ level }) => level === 'wrong');
    expect([...new Set(found.map((each) => each.code))]).toEqual([code]);
    expect(found[0]?.advice).toBeTruthy();
  });

  it('accepts names of a ServiceEntry for those of its DestinationRule, and the checked host of SIMPLE', async () => {
    await using api = await startCluster();
    set(api, SERVICE_ENTRIES, [
      federated,
      object('web', 'shop', { hosts: ['api.example'], location: 'MESH_EXTERNAL' }),
    ]);
    set(api, DESTINATION_RULES, [
      ruleFor('web.west.federated', { mode: 'ISTIO_MUTUAL', sni: 'web' }),
      ruleFor('api.example', { mode: 'SIMPLE' }),
      ruleFor('backend.shop.svc.cluster.local', { mode: 'ISTIO_MUTUAL' }),
    ]);
    expect((await examine(api)).findings).toEqual([]);
  });

  it('reports nothing of a wide DENY rule, which denies foreign identities too', async () => {
    await using api = await startCluster();
    set(api, POLICIES, [
      allow({ principals: ['west.example/ns/shop/sa/web'] }),
      object('deny', 'shop', {
        action: 'DENY',
        rules: [{ from: [{ source: { namespaces: ['shop'] } }] }],
      }),
    ]);
    expect((await examine(api)).findings).toEqual([]);
  });

  it('notes that no caller is kept out without a policy', async () => {
    await using api = await startCluster();
    set(api, POLICIES, []);
    const { findings } = await examine(api);
    expect(findings).toMatchObject([{ code: 'no-authorization-policy', level: 'note' }]);
  });

  it('tells an unscoped root that another writer left, and an expired one', async () => {
    await using api = await startCluster();
    const { root } = await createTestCa({ trustDomain: 'west.example' });
    const old = await createTestCa({
      trustDomain: 'old.example',
      notBefore: new Date('2020-01-01T00:00:00Z'),
      notAfter: new Date('2029-01-01T00:00:00Z'),
    });
    const entry = (der: Uint8Array, name: string) =>
      `- pem: ${JSON.stringify(pemFromCertificates([der]))}\n  trustDomains: [${name}]\n`;
    api.put('istio', {
      mesh: `${MESH}caCertificates:\n${entry(root, 'west.example')}${entry(old.root, 'old.example')}`,
    });
    const { codes } = await examine(api);
    expect(codes).toEqual(['foreign-root-unscoped', 'foreign-entry-expired', 'foreign-root-unscoped']);
  });

  it('reports several revisions, and a shared mesh config with roots that are replaced', async () => {
    await using api = await startCluster();
    const roots = 'caCertificates: [{trustDomains: [west.example], spiffeBundleUrl: "https://x"}]\n';
    api.put('istio', { mesh: `${MESH}${roots}` });
    api.put('istio-canary', { mesh: `${MESH}${roots}` }, CANARY);
    api.put('shared', { mesh: roots });
    set(api, DEPLOYMENTS, [
      istiod({ ISTIO_MULTIROOT_MESH: 'true', SHARED_MESH_CONFIG: 'shared' }),
      istiod({ ISTIO_MULTIROOT_MESH: 'true', SHARED_MESH_CONFIG: 'shared' }, 'canary'),
    ]);
    const { codes } = await examine(api);
    expect(codes).toContain('several-revisions');
    expect(codes).toContain('shared-mesh-config-replaced');
    api.put('shared', { mesh: 'enableTracing: true\n' });
    const { findings } = await examine(api);
    expect(findings).toContainEqual(expect.objectContaining({ code: 'shared-mesh-config', level: 'note' }));
  });

  it('reports what it has no right to read and what is not served, and continues with the rest', async () => {
    await using api = await startCluster();
    set(api, DEPLOYMENTS, [istiod({})]);
    api.answer = ({ collection }, response) => {
      if (collection === POLICIES)
        fail(response, 403, 'authorizationpolicies.security.istio.io is forbidden');
      else if (collection.endsWith('/serviceentries'))
        fail(response, 404, 'the server could not find the requested resource');
      else return false;
      return true;
    };
    const { findings } = await examine(api);
    expect(findings).toMatchObject([
      { code: 'mesh-forbidden', level: 'wrong', where: 'authorizationpolicies' },
      { code: 'kind-not-served', level: 'note', where: 'serviceentries' },
      { code: 'multiroot-off' },
    ]);
  });

  it('reads policies as beta where an older Istio serves only that', async () => {
    await using api = await startCluster();
    const beta = PEER_AUTHENTICATIONS.replace('/v1/', '/v1beta1/');
    set(api, PEER_AUTHENTICATIONS, []);
    set(api, beta, [object('web', 'shop', { mtls: { mode: 'PERMISSIVE' } })]);
    api.answer = ({ collection }, response) => {
      if (!/istio\.io\/v1\//.test(collection)) return false;
      fail(response, 404, 'the server could not find the requested resource');
      return true;
    };
    const { codes, examined } = await examine(api);
    expect(codes).toContain('mtls-permissive');
    expect(codes).not.toContain('kind-not-served');
    expect(examined).toContain('PeerAuthentications: 1');
  });

  it('reports once that the server does not answer', async () => {
    const api = await startCluster();
    await api[Symbol.asyncDispose]();
    await using gone = new FakeApiServer();
    await gone.start();
    await gone.stop();
    const { findings, examined } = await examine(gone);
    expect(findings).toMatchObject([{ code: 'mesh-unreachable', level: 'wrong' }]);
    expect(examined).toEqual([]);
  });

  it('takes fields that are not fields for empty ones', async () => {
    await using api = await startCluster();
    const odd = (spec: unknown): Made => ({ metadata: { name: 'odd' }, spec });
    for (const path of [NAMESPACES, PEER_AUTHENTICATIONS, DESTINATION_RULES, SERVICE_ENTRIES])
      set(api, path, [
        odd({ selector: 3, mtls: [], rules: 3, endpoints: {}, hosts: 'x', trafficPolicy: null }),
      ]);
    set(api, DEPLOYMENTS, [
      { metadata: { name: 'istiod' }, spec: { template: { spec: { containers: 'x' } } } },
    ]);
    set(api, POLICIES, [odd({ rules: [{ from: [{ source: { principals: [3] } }, null] }] }), odd([])]);
    const { codes } = await examine(api);
    expect(codes).toEqual(['multiroot-off', 'mtls-not-strict']);
  });

  it('only reads', async () => {
    await using api = await startCluster();
    await examine(api);
    expect(api.count('put')).toBe(0);
  });

  it('runs against the simulated mesh, where only what it does not serve is left open', async () => {
    using folder = tempDir();
    const { mesh } = await startIstio(folder.path, { clock: systemClock });
    try {
      const { findings } = await examineIstio({
        kubernetes: { kind: 'kubeconfig', path: `${folder.path}/admin.kubeconfig` },
        systemNamespace: 'istio-system',
        clock: systemClock,
        signal: new AbortController().signal,
      });
      expect([...new Set(findings.map(({ code }) => code))]).toEqual(['kind-not-served']);
    } finally {
      await mesh.stop();
    }
  });
});
