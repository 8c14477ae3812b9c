import { Hono } from 'hono';
import { HTTPException } from 'hono/http-exception';
import type { Log } from '../../../platform/index.ts';
import type { TrustDomain } from '../../../spiffe/index.ts';
import type { OwnRoot } from '../certificate-authority.ts';
import type { WorkloadSvid } from '../workload-identities.ts';
import { caRootsDocument, caRootsPem, leafDocument } from './ca-documents.ts';
import { addCatalogRoutes, type Catalog } from './catalog-routes.ts';
import { addConfigRoutes } from './config-routes.ts';
import { answerTable, type ConsulRequest, requireToken } from './consul-request.ts';
import type { ConsulState } from './consul-state.ts';
import { addPeeringRoutes } from './peering-routes.ts';
import type { Peerings } from './peerings.ts';

interface ConsulApiOptions extends ConsulRequest {
  readonly state: ConsulState;
  readonly peerings: Peerings;
  readonly trustDomain: TrustDomain;
  readonly datacenter: string;
  readonly ownRoots: () => readonly OwnRoot[];
  /** The SVID of a service we issue for; undefined for any other. */
  readonly leafOf: (service: string) => WorkloadSvid | undefined;
  readonly catalog: Catalog;
  readonly intentionDefault: 'allow' | 'deny' | undefined;
  readonly grpcPort: () => number;
  /** Called after a config entry changed. */
  readonly onConfigChanged: () => void;
  readonly log: Log;
}

/**
 * The part of Consul's HTTP API that an adapter uses: roots, leaves, peerings, config entries, the
 * catalog.
 */
export function consulApi(options: ConsulApiOptions): Hono {
  const { state, trustDomain, datacenter, ownRoots, log } = options;
  const app = new Hono();

  app.get('/v1/status/leader', (context) => context.json('127.0.0.1:8300'));
  app.get('/v1/agent/self', (context) => {
    requireToken(context, options, 'agent:read');
    return context.json({
      Config: {
        Datacenter: datacenter,
        PrimaryDatacenter: datacenter,
        NodeName: 'simulated',
        Server: true,
        Version: '1.21.0',
      },
      DebugConfig: {
        ConnectEnabled: true,
        PeeringEnabled: true,
        GRPCTLSPort: options.grpcPort(),
        ACLsEnabled: options.aclToken !== undefined,
        ACLResolverSettings: { ACLDefaultPolicy: options.aclToken === undefined ? 'allow' : 'deny' },
        DefaultIntentionPolicy: options.intentionDefault ?? '',
      },
    });
  });
  // Roots are public in the product too: no token.
  app.get('/v1/connect/ca/roots', (context) =>
    answerTable(context, options, state, 'roots', () =>
      context.req.query('pem') === 'true'
        ? context.body(caRootsPem(ownRoots()), 200, { 'content-type': 'application/pem-certificate-chain' })
        : caRootsDocument(trustDomain, ownRoots(), state.indexOf('roots')),
    ),
  );
  app.get('/v1/agent/connect/ca/leaf/:service', (context) => {
    requireToken(context, options, 'service:write');
    const service = context.req.param('service');
    return answerTable(context, options, state, 'leaves', () => {
      const svid = options.leafOf(service);
      if (svid) return leafDocument(service, svid, state.indexOf('leaves'));
      // The product would sign for any name; here the services are those of the configuration.
      return context.text(`unknown service ${JSON.stringify(service)}`, 404);
    });
  });
  addPeeringRoutes(app, options, options);
  addConfigRoutes(app, options, { ...options, onChange: options.onConfigChanged });
  addCatalogRoutes(app, options, options);

  app.notFound((context) => context.text('Invalid URL path: not a recognized HTTP API endpoint', 404));
  app.onError((error, context) => {
    if (error instanceof HTTPException) return context.text(error.message, error.status);
    log.error('consul request failed', { path: context.req.path, error });
    return context.text('Internal error', 500);
  });
  return app;
}
