import assert from 'node:assert/strict';
import { presentCa } from '../../testkit/agent-process.ts';
import type { InteropCheck } from '../support/program.ts';
import { Cluster } from './cluster.ts';
import { ISTIO_NAMESPACE, ISTIO_TRUST_DOMAIN, MESH, prepareIstio, writeMeshText } from './istio-cluster.ts';
import { configMapsIn, pemOf, type SeenObject } from './objects.ts';
import { runVerb } from '../../testkit/run-verb.ts';

/** `federate doctor istio` at a real API server. */
export const doctorChecks: readonly InteropCheck[] = [
  {
    name: 'doctor istio: names each trap that objects in the cluster set, and none once they are gone',
    run: traps,
  },
];

const KINDS = [
  ['security.istio.io', 'PeerAuthentication', 'peerauthentications'],
  ['security.istio.io', 'AuthorizationPolicy', 'authorizationpolicies'],
  ['networking.istio.io', 'DestinationRule', 'destinationrules'],
  ['networking.istio.io', 'ServiceEntry', 'serviceentries'],
] as const;

/** What is wrong with a mesh as many are, by the codes that `doctor` has for it, in no order. */
const TRAPS = [
  'ambient-namespace',
  'destination-rule-without-names',
  'exclusion-only-rule',
  'foreign-root-unscoped',
  'mtls-not-strict',
  'mtls-permissive',
  'multiroot-off',
  'namespace-only-rule',
  'revisions-differ',
  'service-account-only-rule',
  'service-entry-without-names',
  'shared-mesh-config-replaced',
  'spire-integrated',
  'trust-domain-check-off',
  'wildcard-principal',
  'xds-agent-off',
];

async function traps(executable: string): Promise<void> {
  await using cluster = await Cluster.start(executable);
  const kubeconfig = cluster.writeKubeconfig();
  const examine = async () => {
    const words = ['doctor', 'istio', '--kubeconfig', kubeconfig, '--output', 'json'];
    const { code, out, err } = await runVerb(...words);
    assert(out !== '', err);
    const { findings } = JSON.parse(out) as { findings: readonly { readonly code: string }[] };
    return { code, codes: [...new Set(findings.map((finding) => finding.code))].sort() };
  };
  await prepareIstio(cluster, await presentCa(ISTIO_TRUST_DOMAIN, 'O=istio.example'));
  assert((await examine()).codes.includes('mesh-forbidden'), 'missing rights are told');
  await cluster.allow('doctor', [
    {
      apiGroups: ['', 'apps', ...new Set(KINDS.map(([group]) => group))],
      resources: ['configmaps', 'namespaces', 'deployments', ...KINDS.map(([, , plural]) => plural)],
      verbs: ['list'],
    },
  ]);
  assert((await examine()).codes.includes('kind-not-served'), 'kinds that are not served are told');
  for (const [group, kind, plural] of KINDS)
    await cluster.serve({ group, version: 'v1', kind, plural, scope: 'Namespaced' });

  await setTraps(cluster);
  const found = await examine();
  assert.equal(found.code, 1);
  for (const trap of TRAPS)
    assert(found.codes.includes(trap), `${trap} is found; found was ${found.codes.join()}`);

  await removeTraps(cluster);
  assert.deepEqual(await examine(), { code: 0, codes: ['no-authorization-policy'] });
}

const namespaced = (group: string, plural: string, namespace: string) =>
  `/apis/${group}/v1/namespaces/${namespace}/${plural}`;

function apply(
  cluster: Cluster,
  [group, kind, plural]: readonly [string, string, string],
  namespace: string,
  name: string,
  spec: object,
): Promise<unknown> {
  return cluster.call('POST', namespaced(group, plural, namespace), {
    apiVersion: `${group}/v1`,
    kind,
    metadata: { name },
    spec,
  });
}

async function setTraps(cluster: Cluster): Promise<void> {
  const [peerAuthentication, authorizationPolicy, destinationRule, serviceEntry] = KINDS;
  const namespace = (name: string, labels: object) =>
    cluster.call('POST', '/api/v1/namespaces', { metadata: { name, labels } });
  await namespace('shop', { 'istio-injection': 'enabled' });
  await namespace('floating', { 'istio.io/dataplane-mode': 'ambient' });
  await cluster.call(
    'POST',
    `/apis/apps/v1/namespaces/${ISTIO_NAMESPACE}/deployments`,
    istiodDeployment({
      ISTIO_MULTIROOT_MESH: 'false',
      PILOT_SKIP_VALIDATE_TRUST_DOMAIN: 'true',
      SHARED_MESH_CONFIG: 'istio-shared',
    }),
  );
  const pem = pemOf(await presentCa('old.example', 'CN=old'))
    .trim()
    .replaceAll('\n', '\n    ');
  const roots = `caCertificates:\n- trustDomains: [old.example]\n  pem: |\n    ${pem}\n`;
  await writeMeshText(cluster, `trustDomain: ${ISTIO_TRUST_DOMAIN}\n${roots}`);
  await cluster.call('POST', configMapsIn(ISTIO_NAMESPACE), {
    metadata: { name: 'istio-shared' },
    data: { mesh: roots },
  });
  await cluster.call('POST', configMapsIn(ISTIO_NAMESPACE), {
    metadata: { name: 'istio-sidecar-injector' },
    data: { config: 'volumes: [{csi: {driver: csi.spiffe.io}}]' },
  });
  await apply(cluster, peerAuthentication, 'shop', 'lax', { mtls: { mode: 'PERMISSIVE' } });
  const sources = {
    'by-namespace': { namespaces: ['shop'] },
    'by-account': { serviceAccounts: ['shop/web'] },
    'by-suffix': { principals: ['*/sa/web'] },
    'by-exclusion': { notPrincipals: ['istio.example/ns/shop/sa/bad'] },
  };
  for (const [name, source] of Object.entries(sources))
    await apply(cluster, authorizationPolicy, 'shop', name, {
      action: 'ALLOW',
      rules: [{ from: [{ source }] }],
    });
  const host = 'web.west.federated';
  await apply(cluster, serviceEntry, 'shop', 'west', {
    hosts: [host],
    ports: [{ number: 443, name: 'https', protocol: 'HTTP' }],
    location: 'MESH_INTERNAL',
    resolution: 'STATIC',
    endpoints: [{ address: '203.0.113.7', labels: { 'security.istio.io/tlsMode': 'istio' } }],
  });
  await apply(cluster, destinationRule, 'shop', 'west', {
    host,
    trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL', sni: host } },
  });
}

async function removeTraps(cluster: Cluster): Promise<void> {
  const [[group, , peerAuthentications], ...others] = KINDS;
  await cluster.call('DELETE', `${namespaced(group, peerAuthentications, 'shop')}/lax`);
  await apply(cluster, KINDS[0], ISTIO_NAMESPACE, 'default', { mtls: { mode: 'STRICT' } });
  for (const [of, , plural] of others) await cluster.call('DELETE', namespaced(of, plural, 'shop'));
  const configMaps = configMapsIn(ISTIO_NAMESPACE);
  for (const name of ['istio-shared', 'istio-sidecar-injector'])
    await cluster.call('DELETE', `${configMaps}/${name}`);
  await writeMeshText(cluster, MESH);
  const floating = await cluster.call<SeenObject>('GET', '/api/v1/namespaces/floating');
  const metadata = { ...floating.metadata, labels: {} };
  await cluster.call('PUT', '/api/v1/namespaces/floating', { ...floating, metadata });
  const deployment = istiodDeployment({ ISTIO_MULTIROOT_MESH: 'true' });
  await cluster.call('PUT', `/apis/apps/v1/namespaces/${ISTIO_NAMESPACE}/deployments/istiod`, deployment);
}

function istiodDeployment(variables: Readonly<Record<string, string>>) {
  const labels = { app: 'istiod' };
  const env = Object.entries(variables).map(([name, value]) => ({ name, value }));
  const containers = [{ name: 'discovery', image: 'pilot', env }];
  return {
    metadata: { name: 'istiod', labels },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec: { containers } } },
  };
}
