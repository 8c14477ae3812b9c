import { describe, expect, it } from 'vitest';
import { importedPort, importedService } from '../../../testkit/imported-services.ts';
import { meshServicesContract } from '../../../testkit/contract/mesh-services-contract.ts';
import { parseCaller, parseServiceId } from '../../../src/services/index.ts';
import { parseSpiffeId } from '../../../src/spiffe/index.ts';
import { addMeshed, openLinkerdServices } from './services-harness.ts';

const { signal } = new AbortController();
const gateway = (host: string, priority = 0) => ({ host, port: 15443, priority, path: 'gateway' }) as const;

meshServicesContract('createLinkerdServices() with accept_dns_clients', () => openLinkerdServices(true));
meshServicesContract('createLinkerdServices()', () => openLinkerdServices(false));

describe('createLinkerdServices()', () => {
  it('refuses imports because its workloads have no SPIFFE ID, takes away what it wrote, and says why', async () => {
    await using linkerd = await openLinkerdServices(false);
    const [report] = await linkerd.services.applyImports([importedService()], signal);
    expect(report).toMatchObject({ state: 'refused', code: 'client-without-spiffe-id' });
    expect(report?.message).toContain('the proxies of west.example refuse them');
    expect(linkerd.ours()).toEqual([]);
  });

  it('writes an ExternalWorkload for each identity and address of the first priority, and one Service', async () => {
    await using linkerd = await openLinkerdServices(true);
    const endpoints = [gateway('203.0.113.7'), gateway('203.0.113.8'), gateway('203.0.113.9', 1)];
    const [report] = await linkerd.services.applyImports(
      [
        importedService({
          spiffeIds: ['a', 'b'].map((name) => parseSpiffeId(`spiffe://west.example/${name}`)),
          ports: [
            importedPort({ endpoints }),
            importedPort({ name: 'db', port: 5432, protocol: 'tcp', sni: 'db.info.west.example' }),
          ],
        }),
      ],
      signal,
    );
    const spots = linkerd
      .ours()
      .filter(({ kind }) => kind === 'ExternalWorkload')
      .map(({ spec }) => {
        const { meshTLS, workloadIPs } = spec as {
          meshTLS: { identity: string; serverName: string };
          workloadIPs: { ip: string }[];
        };
        return `${meshTLS.identity.at(-1)} ${meshTLS.serverName} ${workloadIPs[0]?.ip}`;
      });
    expect(spots.toSorted()).toEqual([
      'a db.info.west.example 203.0.113.7',
      'a info.west.example 203.0.113.7',
      'a info.west.example 203.0.113.8',
      'b db.info.west.example 203.0.113.7',
      'b info.west.example 203.0.113.7',
      'b info.west.example 203.0.113.8',
    ]);
    const service = linkerd.ours().find(({ kind }) => kind === 'Service');
    expect(service).toMatchObject({
      metadata: { name: 'info-west-federated', annotations: { 'config.linkerd.io/opaque-ports': '5432' } },
      spec: { selector: { 'federate.dev/import': 'info-west-federated' } },
    });
    expect(report).toMatchObject({ state: 'written', code: 'service-name' });
    expect(report?.message).toContain('has 2 identities');
    expect(report?.message).toContain('no priorities');
  });

  it.each([
    ['for every namespace', importedService({ namespaces: ['*'] }), 'namespaces-needed'],
    [
      'whose gateways have host names alone',
      importedService({ ports: [importedPort({ endpoints: [gateway('gw.west.example')] })] }),
      'endpoint-not-ip',
    ],
    [
      'with too many identities',
      importedService({
        spiffeIds: Array.from({ length: 257 }, (_, index) => parseSpiffeId(`spiffe://west.example/${index}`)),
      }),
      'import-too-large',
    ],
  ])('refuses an import %s, and goes on', async (_what, service, code) => {
    await using linkerd = await openLinkerdServices(true);
    const reports = await linkerd.services.applyImports([service, importedService({ id: 'web' })], signal);
    expect(reports).toMatchObject([{ state: 'refused', code }, { state: 'written' }]);
  });

  it('lets the Service of an import that drains select nothing, and keeps its workloads', async () => {
    await using linkerd = await openLinkerdServices(true);
    await linkerd.services.applyImports([importedService({ state: 'draining' })], signal);
    const selected = linkerd.ours().find(({ kind }) => kind === 'Service')?.['spec'] as {
      selector: Record<string, string>;
    };
    const [workload] = linkerd.ours().filter(({ kind }) => kind === 'ExternalWorkload');
    expect(workload?.metadata.labels).not.toMatchObject(selected.selector);
  });

  it('reads the Services whose pods are in the mesh, and says why none can be exported', async () => {
    await using linkerd = await openLinkerdServices(true);
    addMeshed(linkerd.api, 'plain', false);
    await linkerd.services.applyImports([importedService()], signal);
    const found = await linkerd.services.readServices(signal);
    expect(found.map(({ id, obstacle }) => [id, obstacle?.code])).toEqual([
      ['web.shop', 'no-spiffe-id'],
      ['api.shop', 'no-spiffe-id'],
    ]);
    expect(found[0]?.ports).toMatchObject([{ name: 'http', port: 8080, protocol: 'http' }]);
  });

  it('takes an export that the operator declared with a SPIFFE ID, as of a gateway in front', async () => {
    await using linkerd = await openLinkerdServices(true);
    const [service] = await linkerd.services.readServices(signal);
    if (!service) throw new TypeError('there is a service');
    const { obstacle: _, ...declared } = service;
    const spiffeIds = [parseSpiffeId('spiffe://linkerd.example/gateway')];
    const reports = await linkerd.services.applyExports(
      [
        { service: { ...declared, origin: 'operator', spiffeIds }, consumers: [] },
        { service: { ...declared, origin: 'operator' }, consumers: [] },
      ],
      signal,
    );
    expect(reports).toMatchObject([{ state: 'accepted' }, { state: 'refused', code: 'no-spiffe-id' }]);
  });

  it.each([
    ['without a namespace', { namespace: '', labels: { app: 'web' } }],
    ['without labels', { namespace: 'shop', labels: {} }],
  ])('refuses a policy of workloads %s', async (_what, place) => {
    await using linkerd = await openLinkerdServices(true);
    const service = {
      id: parseServiceId('web.shop'),
      ports: [{ name: 'http', port: 8080, protocol: 'http' as const, serverFirst: false }],
    };
    const allow = { id: 'a', effect: 'allow' as const, callers: [parseCaller('spiffe://west.example/a')] };
    const [report] = await linkerd.services.applyAccess(
      [{ policy: { service, rules: [allow] }, placement: { ...place, peerNames: {} } }],
      signal,
    );
    expect(report).toMatchObject({ state: 'refused', code: 'placement-unusable' });
    expect(linkerd.ours()).toEqual([]);
  });
});
