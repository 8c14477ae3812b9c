import { describe, expect, it } from 'vitest';
import { renderAccess } from '../../../src/mesh-adapters/istio/render-access.ts';
import { renderImport, virtualAddressOf } from '../../../src/mesh-adapters/istio/render-import.ts';
import {
  apiVersionOf,
  newObject,
  type OwnedObject,
} from '../../../src/mesh-adapters/kubernetes/owned-object.ts';
import {
  type AccessRule,
  type ImportedService,
  parseCaller,
  parsePathMatch,
  parseServiceId,
} from '../../../src/services/index.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/index.ts';
import { importedPort, importedService } from '../../../testkit/imported-services.ts';

const FIXTURES = '../../../fixtures/mesh/istio/services';
const MESH = {
  trustDomain: parseTrustDomain('istio.example'),
  systemNamespace: 'istio-system',
  rootNamespace: 'istio-system',
};
const gateway = (host: string, priority = 0, port = 15443) =>
  ({ host, port, priority, path: 'gateway' }) as const;

const IMPORTS: Readonly<Record<string, ImportedService>> = {
  'one-gateway': importedService(),
  'gateway-with-a-name': importedService({
    ports: [importedPort({ endpoints: [gateway('gw.west.example')] })],
    namespaces: ['*'],
  }),
  'direct-then-two-gateways': importedService({
    ports: [
      importedPort({
        endpoints: [
          { host: '10.1.2.3', port: 8443, priority: 0, path: 'direct' },
          gateway('203.0.113.7', 1),
          gateway('203.0.113.8', 2),
        ],
      }),
    ],
  }),
  'several-ports-and-identities': importedService({
    id: 'shop.web',
    spiffeIds: ['b', 'a'].map((account) => parseSpiffeId(`spiffe://west.example/ns/shop/sa/${account}`)),
    namespaces: ['shop', 'front', 'shop'],
    ports: (['http', 'http2', 'grpc', 'tcp'] as const).map((protocol, index) =>
      importedPort({
        name: protocol,
        protocol,
        port: 8000 + index,
        sni: `${protocol}.shop.web.west.example`,
      }),
    ),
  }),
  draining: importedService({ state: 'draining' }),
};

const written = (objects: readonly OwnedObject[], part: 'import' | 'access', subject: string) =>
  objects.map((each) =>
    newObject(each, apiVersionOf(each.kind, 'v1'), subject, { owner: 'istio-example-9938729b', part }),
  );
const pretty = (value: unknown) => `${JSON.stringify(value, undefined, 2)}\n`;

describe('renderImport()', () => {
  it.each(
    Object.entries(IMPORTS),
  )('writes %s as in the fixture, SNI and identities in both objects', async (name, service) => {
    const rendered = renderImport(service, 'istio-system');
    if ('fault' in rendered) throw new Error(rendered.fault.message);
    const objects = written(rendered.objects, 'import', `west.example/${service.id}`);
    await expect(pretty(objects)).toMatchFileSnapshot(`${FIXTURES}/import-${name}.json`);
    expect(pretty(objects).match(/"subjectAltNames"/g)?.length).toBeGreaterThan(1);
  });

  it('does not use a host that does not lead to every port, and says so', () => {
    const rendered = renderImport(
      importedService({
        ports: [
          importedPort({ endpoints: [gateway('10.1.2.3'), gateway('203.0.113.7')] }),
          importedPort({ name: 'admin', port: 81, sni: 'admin.info.west.example' }),
        ],
      }),
      'istio-system',
    );
    expect(rendered).toMatchObject({ note: { code: 'endpoint-left-out' } });
    expect(JSON.stringify(rendered)).not.toContain('"address":"10.1.2.3"');
  });

  it('refuses ports without a host in common, because one of them would go to a wrong place', () => {
    const ports = [
      importedPort({ endpoints: [gateway('203.0.113.7')] }),
      importedPort({ name: 'admin', port: 81, endpoints: [gateway('203.0.113.8')] }),
    ];
    expect(renderImport(importedService({ ports }), 'istio-system')).toMatchObject({
      fault: { code: 'endpoints-differ' },
    });
  });

  it('gives each name one address that cannot be routed, outside of 240.0.0.0/8', () => {
    const addresses = Array.from({ length: 300 }, (_, index) => virtualAddressOf(`s${index}.federated`));
    for (const address of addresses) {
      const [first = 0, ...others] = address.split('.').map(Number);
      expect(first).toBeGreaterThan(240);
      expect(first).toBeLessThan(255);
      for (const each of others) expect(each).toBeLessThanOrEqual(255);
    }
    expect(new Set(addresses).size).toBe(300);
    expect(virtualAddressOf('s1.federated')).toBe(addresses[1]);
  });
});

const rule = (more: Partial<AccessRule> = {}): AccessRule => ({
  id: 'read',
  effect: 'allow',
  callers: [parseCaller('spiffe://west.example/ns/front/sa/ui')],
  ...more,
});
const access = (rules: readonly AccessRule[], placement = {}) => ({
  policy: {
    service: {
      id: parseServiceId('info.weather'),
      ports: [{ name: 'http', port: 8080, protocol: 'http' as const, serverFirst: false }],
    },
    rules,
  },
  placement: { namespace: 'weather', labels: { app: 'info' }, peerNames: {}, ...placement },
});

describe('renderAccess()', () => {
  it.each([
    ['no-rule', []],
    [
      'allow-and-deny',
      [
        rule({ http: { methods: ['GET'], paths: [parsePathMatch('/remarks'), parsePathMatch('/v1/*')] } }),
        rule({ id: 'not-secret', effect: 'deny', callers: [parseCaller('west.example')] }),
      ],
    ],
  ])('writes %s as in the fixture, the deny rules first', async (name, rules) => {
    const rendered = renderAccess(access(rules), MESH, true);
    if ('fault' in rendered) throw new Error(rendered.fault.message);
    await expect(pretty(written(rendered.objects, 'access', 'info.weather'))).toMatchFileSnapshot(
      `${FIXTURES}/access-${name}.json`,
    );
  });

  it.each([
    ['no label', { labels: {} }],
    ['no namespace', { namespace: '' }],
    ['the root namespace', { namespace: 'istio-system' }],
  ])('refuses a placement with %s, because the policy would reach other workloads', (_what, placement) => {
    expect(renderAccess(access([rule()], placement), MESH, true)).toMatchObject({
      fault: { code: 'placement-unusable' },
    });
  });

  it('says when callers of the own mesh have no rule, and how to give them one', () => {
    expect(renderAccess(access([rule()]), MESH, true)).toMatchObject({
      note: { code: 'local-callers-refused', message: expect.stringContaining('--from istio.example') },
    });
    const local = rule({ id: 'local', callers: [parseCaller('istio.example')] });
    expect(renderAccess(access([rule(), local]), MESH, true)).not.toHaveProperty('note');
  });

  it('asks for path normalization where the mesh config has none', () => {
    const paths = [rule({ http: { paths: [parsePathMatch('/v1/*')] } })];
    expect(renderAccess(access(paths), MESH, false)).toMatchObject({
      note: { code: 'needs-path-normalization' },
    });
    expect(renderAccess(access(paths), MESH, true)).not.toMatchObject({
      note: { code: 'needs-path-normalization' },
    });
  });
});
