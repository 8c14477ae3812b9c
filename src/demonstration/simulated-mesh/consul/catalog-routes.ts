import type { Hono } from 'hono';
import { answerTable, type ConsulRequest, requireToken } from './consul-request.ts';
import type { CatalogInstance } from './discovery/catalog.ts';
import type { ConsulState } from './consul-state.ts';

/** The instances of the cluster's services, and of those that a peer announced. */
export interface Catalog {
  /** Own instances, proxies among them. */
  own(): readonly CatalogInstance[];
  imported(peer: string): readonly CatalogInstance[];
}

/** `/v1/catalog` and `/v1/health`: services and their instances, also with `?peer=`. */
export function addCatalogRoutes(
  app: Hono,
  request: ConsulRequest,
  { state, catalog }: { readonly state: ConsulState; readonly catalog: Catalog },
): void {
  const instances = (peer: string | undefined) =>
    peer === undefined || peer === '' ? catalog.own() : catalog.imported(peer);
  app.get('/v1/catalog/services', (context) => {
    requireToken(context, request, 'service:read');
    return answerTable(context, request, state, 'catalog', () => ({
      ...(context.req.query('peer') === undefined && { consul: [] }),
      ...Object.fromEntries(instances(context.req.query('peer')).map(({ Service }) => [Service.Service, []])),
    }));
  });
  for (const kind of ['service', 'connect'] as const)
    app.get(`/v1/health/${kind}/:service`, (context) => {
      requireToken(context, request, 'service:read');
      const name = context.req.param('service');
      return answerTable(context, request, state, 'catalog', () =>
        instances(context.req.query('peer')).filter(({ Service }) =>
          kind === 'service'
            ? Service.Service === name
            : Service.Kind === 'connect-proxy' && Service.Proxy.DestinationServiceName === name,
        ),
      );
    });
}
