import { describe, expect, it } from 'vitest';
import { importedService } from '../../../testkit/imported-services.ts';
import { NETWORKING, openIstioServices } from './services-harness.ts';

const { signal } = new AbortController();
const rule = (namespace: string, host: string) =>
  [
    `${NETWORKING}/${namespace}/destinationrules/theirs`,
    { kind: 'DestinationRule', spec: { host } },
  ] as const;

describe('applyImports() of Istio next to objects of others', () => {
  it.each<[string, string, string, readonly [string, Record<string, unknown>]]>([
    [
      'a Service',
      'web.shop',
      'host-taken',
      ['/api/v1/namespaces/shop/services/web', { kind: 'Service', spec: {} }],
    ],
    [
      'a Service by its long name',
      'web.shop.svc.cluster.internal',
      'host-taken',
      ['/api/v1/namespaces/shop/services/web', { kind: 'Service', spec: {} }],
    ],
    [
      'a ServiceEntry of another namespace',
      'info.west.federated',
      'host-taken',
      [
        `${NETWORKING}/else/serviceentries/theirs`,
        { kind: 'ServiceEntry', spec: { hosts: ['x.example', 'info.west.federated'] } },
      ],
    ],
    [
      'a DestinationRule of a client',
      'info.west.federated',
      'destination-rule-overrides',
      rule('shop', 'info.west.federated'),
    ],
    [
      'a DestinationRule of a client with a wildcard',
      'info.west.federated',
      'destination-rule-overrides',
      rule('shop', '*.federated'),
    ],
    [
      'a DestinationRule of a client for everything',
      'info.west.federated',
      'destination-rule-overrides',
      rule('shop', '*'),
    ],
    [
      'a DestinationRule next to ours',
      'info.west.federated',
      'destination-rule-overrides',
      rule('istio-system', 'info.west.federated'),
    ],
  ])('refuses an import with the host of %s, and takes it out where it is', async (_what, name, code, [
    path,
    object,
  ]) => {
    await using mesh = await openIstioServices();
    const wanted = importedService({ name });
    const isService = path.includes('/services/');
    if (isService) mesh.api.delete('/api/v1/namespaces/shop/services/web');
    expect(await mesh.services.applyImports([wanted], signal)).toMatchObject([{ state: 'written' }]);
    mesh.api.putObject(path, object);
    expect(await mesh.services.applyImports([wanted], signal)).toMatchObject([{ state: 'refused', code }]);
    // Because Istio would add the identities of a peer to it, or check none.
    expect(mesh.ours()).toEqual([]);
    mesh.api.delete(path);
    expect(await mesh.services.applyImports([wanted], signal)).toMatchObject([{ state: 'written' }]);
  });

  it.each([
    ['another namespace', rule('else', 'info.west.federated')],
    ['a wildcard that ours is narrower than', rule('istio-system', '*.federated')],
    ['another host', rule('shop', '*.example')],
  ])('imports next to a DestinationRule of %s', async (_what, [path, object]) => {
    await using mesh = await openIstioServices();
    mesh.api.putObject(path, object);
    expect(await mesh.services.applyImports([importedService()], signal)).toMatchObject([
      { state: 'written' },
    ]);
  });

  it.each<[string, object, string, string | undefined]>([
    [
      'accepted once istiod says so',
      { conditions: [{ type: 'Reconciled', status: 'True' }] },
      'accepted',
      undefined,
    ],
    [
      'written while it does not',
      { conditions: [{ type: 'Reconciled', status: 'False' }] },
      'written',
      undefined,
    ],
    [
      'refused with the error of its analysis',
      {
        validationMessages: [
          { level: 'ERROR', type: { code: 'IST0101', name: 'ReferencedResourceNotFound' } },
        ],
      },
      'refused',
      'istiod-refused',
    ],
  ])('is %s', async (_what, status, state, code) => {
    await using mesh = await openIstioServices();
    await mesh.services.applyImports([importedService()], signal);
    for (const [path, object] of Object.entries(mesh.api.under(`${NETWORKING}/istio-system/`)))
      mesh.api.putObject(path, { ...object, status });
    const [report] = await mesh.services.applyImports([importedService()], signal);
    expect(report?.state).toBe(state);
    expect(report?.code).toBe(code);
  });
});
