import { z } from 'zod';
import { duration, listenAddress, path, spiffeIdField } from '../fields.ts';

const MAX_CLUSTERS = 5000;

const serviceName = () =>
  z
    .string()
    .regex(
      /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
      'a Consul service name is up to 63 lower-case letters, digits and hyphens',
    );

const identity = z.strictObject({
  spiffe_id: spiffeIdField().describe('A foreign identity that is let in; no other is.'),
  service: serviceName().describe(
    'Consul service that gives the identity its leaf inside, and that intentions name. One for each identity, and for nothing else.',
  ),
});

const route = z.strictObject({
  sni: z
    .string()
    .regex(/^(?=.{1,253}$)[a-z0-9-]+(\.[a-z0-9-]+)*$/, 'a server name is a DNS name in lower case')
    .describe('Server name (SNI) that foreign clients use for the service.'),
  service: serviceName().describe('The Consul service; the gateway insists on its identity.'),
  address: listenAddress().describe("`host:port` of its sidecar's public listener."),
  protocol: z
    .enum(['http', 'tcp'])
    .default('http')
    .describe(
      'With `http` the service finds the original identity in `x-forwarded-client-cert`; with `tcp` it does not receive it. Do not use `tcp` for a service that speaks HTTP: a client could write that header itself.',
    ),
});

/** `mesh.federation_gateway` of a Consul mesh: foreign identities that enter as Consul services. */
export const federationGateway = z
  .strictObject({
    sds_socket: path().describe(
      "Unix socket, mode 0600, on which the gateway's Envoy gets its keys and its trust. It gives out private keys.",
    ),
    listen: listenAddress().describe('Where the gateway listens for foreign clients, `host:port`.'),
    service: serviceName()
      .default('federation-gateway')
      .describe('Consul service whose leaf the gateway presents to foreign clients.'),
    datacenter: z.string().min(1).default('dc1').describe('Datacenter in the identities of the services.'),
    identities: z
      .array(identity)
      .min(1)
      .max(1000)
      .describe('The admitted identities, and the Consul service of each.'),
    routes: z.array(route).min(1).max(1000).describe('Which services are reached.'),
    max_connection_age: duration()
      .prefault('10m')
      .describe(
        'Longest life of a connection. No connection of a removed root outlasts it. At most an hour.',
      ),
  })
  .superRefine(({ identities, routes, service, max_connection_age: ageMs }, context) => {
    const refuse = (at: (string | number)[], message: string) =>
      context.addIssue({ code: 'custom', path: at, message });
    const services = new Set([service]);
    const ids = new Set<string>();
    for (const [index, each] of identities.entries()) {
      // An intention could not distinguish two identities behind one name, and the gateway's own
      // name speaks for no identity.
      if (services.has(each.service))
        refuse(['identities', index, 'service'], `${each.service} already stands for something else`);
      if (ids.has(each.spiffe_id)) refuse(['identities', index, 'spiffe_id'], 'is listed twice');
      services.add(each.service);
      ids.add(each.spiffe_id);
    }
    const names = new Set<string>();
    for (const [index, each] of routes.entries()) {
      if (names.has(each.sni)) refuse(['routes', index, 'sni'], `${each.sni} is routed twice`);
      names.add(each.sni);
      if (identities.some((one) => one.service === each.service))
        refuse(
          ['routes', index, 'service'],
          `${each.service} stands for a foreign identity and cannot be a destination`,
        );
    }
    // Each service gets a cluster for each identity.
    if (identities.length * routes.length > MAX_CLUSTERS)
      refuse(['routes'], `identities times routes are more than ${MAX_CLUSTERS}; use several gateways`);
    if (ageMs < 1000 || ageMs > 3_600_000)
      refuse(['max_connection_age'], 'is between one second and one hour');
  });

export type FederationGatewayConfig = z.output<typeof federationGateway>;
