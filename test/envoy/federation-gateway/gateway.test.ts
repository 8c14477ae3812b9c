import { describe, expect, it, vi } from 'vitest';
import { plainAgentConfig } from '../../../testkit/agent-config.ts';
import { agentConfigSchema } from '../../../src/config/agent-config.ts';
import { createFederationGateway } from '../../../src/envoy/federation-gateway/gateway.ts';
import { silentLog, systemClock, systemRandom } from '../../../src/platform/index.ts';
import { pemFromCertificates, type TrustBundle } from '../../../src/spiffe/index.ts';
import { SdsClient, type SdsSecret } from '../../../src/workload-api/index.ts';
import { FakeCluster } from '../../mesh-adapters/consul/fake-cluster.ts';
import { HOSTILE_PEERS } from '../../../testkit/hostile-peers.ts';
import { PATIENCE_MS } from '../../../testkit/patience.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { createTestCa } from '../../../testkit/test-ca.ts';

const OWN = '11111111-1111-1111-1111-111111111111.consul';
const WEB = 'spiffe://west.example/ns/shop/sa/web';
const LONG = { notBefore: new Date('2001-01-01T00:00:00Z'), notAfter: new Date('2090-01-01T00:00:00Z') };
const GATEWAY = {
  listen: '127.0.0.1:0',
  identities: [{ spiffe_id: WEB, service: 'west-web' }],
  routes: [{ sni: 'info.federated', service: 'info', address: '127.0.0.1:21000' }],
};

/**
 * An agent's part of a gateway with a fake Consul behind it, and a client that requests secrets as
 * Envoy does.
 */
async function startGateway(more: { readonly identities?: { spiffe_id: string; service: string }[] } = {}) {
  const folder = tempDir();
  const cluster = await FakeCluster.start();
  const ca = await createTestCa({ trustDomain: OWN, ...LONG });
  const west = await createTestCa({ trustDomain: 'west.example', ...LONG });
  const east = await createTestCa({ trustDomain: 'east.example', ...LONG });
  const leaf = async (service: string) => {
    const { certPem, keyPem } = await ca.issueLeaf({ path: `/ns/default/dc/dc1/svc/${service}`, ...LONG });
    return { CertPEM: certPem, PrivateKeyPEM: keyPem };
  };
  const leaves = new Map([
    ['west-web', await leaf('west-web')],
    ['federation-gateway', await leaf('federation-gateway')],
  ]);
  let version = 1;
  const waiting = new Set<() => void>();
  cluster.answer = ({ path, index }, response) => {
    const service = /^\/v1\/agent\/connect\/ca\/leaf\/(.+)$/.exec(path)?.[1];
    if (service === undefined) return false;
    const answer = () => {
      response.setHeader('x-consul-index', String(version));
      response.end(JSON.stringify(leaves.get(service)));
    };
    if (index === String(version)) waiting.add(answer);
    else answer();
    return true;
  };
  const context = { clock: systemClock, random: systemRandom, log: silentLog, environment: {} };
  const { mesh } = agentConfigSchema.parse({
    ...plainAgentConfig(),
    mesh: {
      kind: 'consul',
      address: cluster.url,
      federation_gateway: { sds_socket: folder.file('sds.sock'), ...GATEWAY, ...more },
    },
  });
  const own = { current: ca.bundle() };
  let foreign: readonly TrustBundle[] = [west.bundle(), east.bundle()];
  const part = await createFederationGateway({ mesh }, own, { list: () => foreign }, context);
  if (!part) throw new TypeError('the config describes a gateway');
  await part.start();
  const envoy = new SdsClient({
    socketPath: folder.file('sds.sock'),
    resourceNames: ['foreign', 'consul', 'leaf:west-web', 'leaf:federation-gateway', 'leaf:info'],
    nodeId: 'envoy',
    ...context,
  });
  envoy.start();
  return {
    ca,
    west,
    envoy,
    warnings: () => part.warnings(),
    secret: (name: string) => envoy.current(name),
    holds: (...bundles: TrustBundle[]) => {
      foreign = bundles;
      part.trustChanged();
    },
    ownRoots: (x509Authorities: TrustBundle['x509Authorities']) => {
      own.current = { ...own.current, x509Authorities };
      part.trustChanged();
    },
    renew: async (service: string) => {
      leaves.set(service, await leaf(service));
      version += 1;
      for (const answer of waiting) answer();
      waiting.clear();
      return leaves.get(service)?.CertPEM;
    },
    [Symbol.asyncDispose]: async () => {
      await envoy.stop();
      await part.stop();
      await cluster[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

/** Sockets are real here: waits until the pushed secret has arrived. */
const until = (condition: () => unknown) =>
  vi.waitFor(() => expect(Boolean(condition())).toBe(true), { timeout: PATIENCE_MS, interval: 10 });

function trustOf(secret: SdsSecret | undefined) {
  if (secret?.kind !== 'spiffe-validation') return undefined;
  return {
    domains: secret.trustDomains.map(({ name }) => name),
    ids: (secret.allowedUriSans ?? []).map((each) => ('exact' in each ? each.exact : each.prefix)),
  };
}

describe('createFederationGateway()', () => {
  it('serves the leaf of each identity’s Consul service, and of no other', async () => {
    await using world = await startGateway();
    await until(() => world.secret('leaf:west-web') && world.secret('leaf:federation-gateway'));
    expect(world.secret('leaf:west-web')).toMatchObject({ kind: 'certificate' });
    expect(world.secret('leaf:info')).toBeUndefined();
  });

  it('pushes a leaf as soon as Consul has renewed it', async () => {
    await using world = await startGateway();
    await until(() => world.secret('leaf:west-web'));
    const renewed = await world.renew('west-web');
    await until(() => Object(world.secret('leaf:west-web')).chainPem === renewed);
    expect(world.secret('leaf:west-web')).toMatchObject({ kind: 'certificate', chainPem: renewed });
  });

  it('lets in the listed identities only, by the roots of their own trust domain', async () => {
    await using world = await startGateway();
    await until(() => world.secret('foreign') && world.secret('consul'));
    expect(trustOf(world.secret('foreign'))).toEqual({ domains: ['west.example'], ids: [WEB] });
    expect(trustOf(world.secret('consul'))).toEqual({ domains: [OWN], ids: [] });
    expect(world.secret('consul')).toMatchObject({
      trustDomains: [{ trustBundlePem: pemFromCertificates([world.ca.root]) }],
    });
  });

  it('admits no identity once the last foreign trust domain is gone, or has revoked all its roots', async () => {
    await using world = await startGateway();
    await until(() => world.secret('foreign'));
    // Envoy refuses a validator without a trust domain and would keep the one before.
    const nobody = { domains: ['nobody.invalid'], ids: [WEB] };
    const empty = { ...world.west.bundle(), x509Authorities: [] };
    world.holds(empty);
    await until(() => trustOf(world.secret('foreign'))?.domains[0] === 'nobody.invalid');
    expect(trustOf(world.secret('foreign'))).toEqual(nobody);
    world.holds(world.west.bundle());
    await until(() => trustOf(world.secret('foreign'))?.domains[0] === 'west.example');
    world.holds();
    await until(() => trustOf(world.secret('foreign'))?.domains[0] === 'nobody.invalid');
    expect(trustOf(world.secret('foreign'))).toEqual(nobody);
  });

  it('believes no peer inside after the last root of our own is gone', async () => {
    await using world = await startGateway();
    await until(() => world.secret('consul'));
    const before = world.secret('consul');
    world.ownRoots([]);
    await until(() => world.secret('consul') !== before);
    expect(trustOf(world.secret('consul'))).toEqual({ domains: [OWN], ids: [] });
    expect(world.secret('consul')).not.toMatchObject({
      trustDomains: [{ trustBundlePem: pemFromCertificates([world.ca.root]) }],
    });
  });

  it('never lets in an identity of the own trust domain as a foreign one', async () => {
    const inside = `spiffe://${OWN}/ns/default/dc/dc1/svc/web`;
    await using world = await startGateway({ identities: [{ spiffe_id: inside, service: 'west-web' }] });
    await until(() => world.secret('foreign'));
    expect(trustOf(world.secret('foreign'))).toEqual({
      domains: ['nobody.invalid'],
      ids: ['spiffe://nobody.invalid/'],
    });
  });

  it.each(
    HOSTILE_PEERS,
  )('leaves a peer with %s out, reports it, and removes what ends for another', async (_what, make, code) => {
    const hostile = await make();
    await using world = await startGateway({
      identities: [
        ...GATEWAY.identities,
        { spiffe_id: `spiffe://${hostile.trustDomain}/x`, service: 'odd-web' },
      ],
    });
    const domains = () => trustOf(world.secret('foreign'))?.domains;
    await until(() => domains()?.includes(world.west.trustDomain));
    const next = await createTestCa({ trustDomain: 'west.example', ...LONG });
    const pem = pemFromCertificates([next.root]);
    world.holds(hostile, next.bundle());
    await until(() => {
      const secret = world.secret('foreign');
      return secret?.kind === 'spiffe-validation' && secret.trustDomains[0]?.trustBundlePem === pem;
    });
    expect(domains()).toEqual(['west.example']);
    expect(world.warnings()).toMatchObject([
      { trust_domain: hostile.trustDomain, code: 'socket-refused', message: expect.stringContaining(code) },
    ]);
  });
});
