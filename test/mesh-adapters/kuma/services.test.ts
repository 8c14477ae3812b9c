import { describe, expect, it } from 'vitest';
import { createKumaServices } from '../../../src/mesh-adapters/kuma/services.ts';
import { systemClock, systemRandom } from '../../../src/platform/index.ts';
import { parseCaller, parseServiceId } from '../../../src/services/index.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/index.ts';
import { meshServicesContract } from '../../../testkit/contract/mesh-services-contract.ts';
import { importedPort, importedService } from '../../../testkit/imported-services.ts';
import { FakeApiServer } from '../kubernetes/fake-api-server.ts';
import { openKumaServices } from './services-harness.ts';

const { signal } = new AbortController();

meshServicesContract('createKumaServices() with experimental_imports', () => openKumaServices(true));
meshServicesContract('createKumaServices()', () => openKumaServices(false));

const policy = (...callers: string[]) => ({
  service: {
    id: parseServiceId('info'),
    ports: [{ name: 'http', port: 8080, protocol: 'http' as const, serverFirst: false }],
  },
  rules: callers.map((caller, index) => ({
    id: `rule-${index}`,
    effect: 'allow' as const,
    callers: [parseCaller(caller)],
  })),
});
const place = (labels: Readonly<Record<string, string>>) => ({ namespace: '', labels, peerNames: {} });

describe('createKumaServices() on Universal', () => {
  it('refuses imports, because Kuma has no public object for them, and names the way', async () => {
    await using mesh = await openKumaServices(false);
    const [report] = await mesh.services.applyImports([importedService()], signal);
    expect(report).toMatchObject({ state: 'refused', code: 'imports-experimental' });
    expect(report?.message).toContain('experimental_imports in the mesh section');
    expect(mesh.kuma.ours()).toEqual([]);
  });

  it('writes identity, proxies and service of an import, and reports the SNI that Kuma computes', async () => {
    await using mesh = await openKumaServices(true);
    const service = importedService({
      spiffeIds: ['a', 'b'].map((name) => parseSpiffeId(`spiffe://west.example/${name}`)),
      ports: [
        importedPort(),
        importedPort({ name: 'db', port: 5432, protocol: 'tcp', sni: 'db.west.example' }),
      ],
    });
    const [report] = await mesh.services.applyImports([service], signal);
    expect(report?.wantedSni).toEqual({
      http: 'sni.msvc.default.zone-1.info-west-federated.http',
      db: 'sni.msvc.default.zone-1.info-west-federated.db',
    });
    const count = (type: string) => mesh.kuma.ours().filter(([, each]) => each.type === type).length;
    expect(['MeshIdentity', 'Dataplane', 'MeshService'].map(count)).toEqual([2, 4, 1]);
    const [[, proxy] = []] = mesh.kuma.ours().filter(([, { type }]) => type === 'Dataplane');
    expect(proxy?.['networking']).toMatchObject({
      address: '203.0.113.7',
      inbound: [{ port: 15443, protocol: expect.any(String), state: 'Ready' }],
    });
  });

  it('writes the tags that Kuma 2 needs, and says that its SNI is not known', async () => {
    await using mesh = await openKumaServices(true);
    mesh.kuma.version = '2.14.3';
    const [report] = await mesh.services.applyImports([importedService()], signal);
    expect(report).not.toHaveProperty('wantedSni');
    expect(report?.message).toContain('is not known');
    expect(JSON.stringify(mesh.kuma.ours())).toContain('"kuma.io/service":"info-west-federated"');
  });

  it('lets the proxies of an import that drains take no new connection', async () => {
    await using mesh = await openKumaServices(true);
    await mesh.services.applyImports([importedService({ state: 'draining' })], signal);
    expect(JSON.stringify(mesh.kuma.ours())).toContain('"state":"NotReady"');
  });

  it('reads MeshServices with the address of a Dataplane, and not its own imports', async () => {
    await using mesh = await openKumaServices(true);
    await mesh.services.applyImports([importedService({ id: 'other' })], signal);
    const read = await mesh.services.readServices(signal);
    expect(read.map(({ id, obstacle }) => [id, obstacle?.code])).toEqual([
      ['info', undefined],
      ['plain', 'no-spiffe-id'],
    ]);
    expect(read[0]).toMatchObject({
      ports: [{ name: 'http', port: 8080, protocol: 'http', target: { host: '10.0.0.5', port: 8080 } }],
      spiffeIds: ['spiffe://kuma.example/workload/info'],
      labels: { app: 'info' },
    });
    mesh.kuma.put('meshtlses', {
      type: 'MeshTLS',
      name: 'open',
      spec: { rules: [{ default: { mode: 'Permissive' } }] },
    });
    expect((await mesh.services.readServices(signal))[0]?.obstacle?.code).toBe('mtls-permissive');
  });

  it('writes no permission for a port without a rule, and none for a whole trust domain', async () => {
    await using mesh = await openKumaServices(false);
    const apply = (...callers: string[]) =>
      mesh.services.applyAccess([{ policy: policy(...callers), placement: place({ app: 'info' }) }], signal);
    expect(await apply()).toMatchObject([{ state: 'written' }]);
    expect(mesh.kuma.ours()).toEqual([]);
    expect(await apply('west.example')).toMatchObject([{ state: 'written', code: 'rule-left-out' }]);
    expect(mesh.kuma.ours()).toEqual([]);
    await apply('spiffe://west.example/a', 'west.example');
    expect(mesh.kuma.ours()).toHaveLength(1);
  });

  it('refuses a policy that would count for every Dataplane', async () => {
    await using mesh = await openKumaServices(false);
    const [report] = await mesh.services.applyAccess(
      [{ policy: policy('spiffe://west.example/a'), placement: place({}) }],
      signal,
    );
    expect(report).toMatchObject({ state: 'refused', code: 'placement-unusable' });
  });

  it('leaves a resource of others under a name of ours, and says so', async () => {
    await using mesh = await openKumaServices(false);
    const name = 'federate-info-http';
    mesh.kuma.put('meshtrafficpermissions', { type: 'MeshTrafficPermission', name, spec: { theirs: true } });
    const [report] = await mesh.services.applyAccess(
      [{ policy: policy('spiffe://west.example/a'), placement: place({ app: 'info' }) }],
      signal,
    );
    expect(report).toMatchObject({ state: 'refused', code: 'object-not-ours' });
    expect(mesh.kuma.of('meshtrafficpermissions')).toMatchObject([{ spec: { theirs: true } }]);
  });
});

describe('createKumaServices() on Kubernetes', () => {
  it('writes permissions into the namespace of the control plane, and refuses imports', async () => {
    await using api = new FakeApiServer();
    await api.start();
    const services = createKumaServices({
      access: { kind: 'kubernetes', kubernetes: api.source, namespace: 'kuma-system' },
      mesh: 'default',
      origin: undefined,
      experimentalImports: true,
      own: async () => parseTrustDomain('kuma.example'),
      clock: systemClock,
      random: systemRandom,
    });
    expect(await services.applyImports([importedService()], signal)).toMatchObject([
      { state: 'refused', code: 'imports-need-universal' },
    ]);
    const wanted = [{ policy: policy('spiffe://west.example/a'), placement: place({ app: 'info' }) }];
    expect(await services.applyAccess(wanted, signal)).toMatchObject([{ state: 'written' }]);
    const path = '/apis/kuma.io/v1alpha1/namespaces/kuma-system/meshtrafficpermissions/federate-info-http';
    expect(api.object(path)).toMatchObject({
      metadata: { labels: { 'kuma.io/mesh': 'default' } },
      spec: { targetRef: { kind: 'Dataplane', labels: { app: 'info' }, sectionName: 'http' } },
    });
    expect(await services.applyAccess([], signal)).toMatchObject([{ service: 'info', state: 'removed' }]);
    expect(api.object(path)).toBeUndefined();
  });
});
