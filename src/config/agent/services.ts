import { isIP } from 'node:net';
import { z } from 'zod';
import {
  CATALOGUE_LIMITS,
  checkPorts,
  isDnsLabel,
  isHostName,
  isLocalName,
  parseAlias,
  parseImportName,
  parseServiceId,
  PROTOCOLS,
} from '../../services/index.ts';
import { type TrustDomain, trustDomainOf } from '../../spiffe/index.ts';
import { messageOf } from '../../errors/index.ts';
import { accessRule, MAX_RULES, namedRules } from '../access-policy.ts';
import {
  addressRange,
  duration,
  parsed,
  parseListenAddress,
  path,
  spiffeIdField,
  trustDomainField,
  wanted,
} from '../fields.ts';

const MAX_SERVICES = CATALOGUE_LIMITS.services;
const MAX_CONSUMERS = 1000;
const MAX_NETWORKS = 8;
const HOUR_MS = 60 * 60_000;

/** `host:port` to connect to: an IP address or a host name, and a port that is not 0. */
const target = () =>
  wanted((text) => {
    const address = parseListenAddress(text);
    return address && address.port > 0 && isHost(address.host) ? address : undefined;
  }, 'an address to connect to is "host:port", with a host name in lower case or an IP address');

function isHost(host: string): boolean {
  return isIP(host) !== 0 || isDnsLabel(host) || isHostName(host);
}

/** A suffix of host names: DNS labels in lower case, and none that belongs to a local network. */
const suffix = () =>
  wanted(
    (text) =>
      text.length <= 100 && text.split('.').every(isDnsLabel) && !isLocalName(text) && isHostName(`a.${text}`)
        ? text
        : undefined,
    'a suffix is DNS labels in lower case, and not "local", "localhost" or a cluster\'s own',
  );

const gateway = z.strictObject({
  id: z
    .string()
    .refine(isDnsLabel, 'the ID of a gateway is a DNS label in lower case')
    .describe('Names the gateway in the catalogue: a DNS label.'),
  address: target()
    .refine(
      ({ host }) => isIP(host) !== 0 || isHostName(host),
      'peers reach a gateway by an IP address or a full host name, such as "gateway.a.example"',
    )
    .describe('Where proxies of peers reach it, `host:port`. It passes TLS on by SNI.'),
  priority: z
    .int()
    .min(0)
    .max(CATALOGUE_LIMITS.priority)
    .default(0)
    .describe('0 is used first; a higher number only when those before it fail.'),
});

const ownPort = z
  .strictObject({
    name: z.string().describe('A DNS label. Rules name ports by it.'),
    port: z.int().describe('The port at which the workload listens.'),
    protocol: z.enum(PROTOCOLS).default('http'),
    server_first: z.boolean().default(false).describe('The server speaks first, as in MySQL.'),
    target: target()
      .optional()
      .describe(
        "Where the mesh's own proxies take mTLS for this port, `host:port`: our gateway forwards there. Without it the port cannot be exported.",
      ),
  })
  .transform(({ server_first: serverFirst, target: at, ...port }) => ({
    ...port,
    serverFirst,
    ...(at === undefined ? {} : { target: at }),
  }));

const ownService = z
  .strictObject({
    id: parsed(parseServiceId).describe('The ID of the service: DNS labels, such as `web.shop`.'),
    ports: z.array(ownPort).min(1),
    spiffe_ids: z
      .array(spiffeIdField())
      .min(1)
      .max(CATALOGUE_LIMITS.identitiesOfService)
      .describe('The SPIFFE ID of every instance, all of the own trust domain.'),
    namespace: z.string().min(1).max(253).optional().describe('The namespace of its workloads.'),
    labels: z.record(z.string(), z.string()).default({}).describe('The labels that select its workloads.'),
  })
  .superRefine(({ ports }, context) => {
    try {
      checkPorts(ports);
    } catch (error) {
      context.addIssue({ code: 'custom', path: ['ports'], message: messageOf(error) });
    }
  });

const exported = z.strictObject({
  service: parsed(parseServiceId),
  to: z.array(trustDomainField()).min(1).max(MAX_CONSUMERS).describe('Peers that may see the service.'),
});

const network = z.strictObject({
  id: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, 'the ID of a network is 1 to 64 of A-Z a-z 0-9 . _ -')
    .describe('An opaque ID that both operators agree on. Only the peers in `with` learn it.'),
  with: z
    .array(trustDomainField())
    .min(1)
    .max(MAX_CONSUMERS)
    .describe('The peers in that network: they get the addresses of what we export to them.'),
});

const imported = z.strictObject({
  service: parsed(parseServiceId).describe('The ID of the service at its owner.'),
  from: trustDomainField().describe('The owner.'),
  alias: parsed(parseAlias)
    .optional()
    .describe("The owner's label in the name; left out: the first label of its trust domain."),
  name: parsed(parseImportName)
    .optional()
    .describe('The host name that callers here use; left out: `<service>.<alias>.<suffix>`.'),
  namespaces: z
    .array(z.string().min(1).max(253))
    .min(1)
    .max(100)
    .optional()
    .describe('Namespaces that see the name; left out: all.'),
});

const access = z
  .strictObject({
    service: parsed(parseServiceId),
    rules: z.array(accessRule).min(1).max(MAX_RULES).describe('As in the file of `federate access check`.'),
  })
  .transform(({ service, rules }, context) => {
    const named = namedRules(rules);
    // Of two rules with one ID only one would count, and the other may be the one that denies.
    for (const [index, { id }] of named.entries())
      if (named.findIndex((other) => other.id === id) !== index)
        context.addIssue({
          code: 'custom',
          path: ['rules', index, 'id'],
          message: `another rule has the ID ${id}`,
        });
    return { service, rules: named };
  });

/** Refuses a second entry about the same thing. */
function distinct<Item>(keyOf: (item: Item) => string, what: string) {
  return (items: readonly Item[], context: z.RefinementCtx) => {
    const seen = new Set<string>();
    for (const [index, item] of items.entries()) {
      const key = keyOf(item);
      if (seen.has(key))
        context.addIssue({ code: 'custom', path: [index], message: `${what} ${key} is listed twice` });
      seen.add(key);
    }
  };
}

/** `services` of an agent. */
export const services = z.strictObject({
  gateways: z
    .array(gateway)
    .max(CATALOGUE_LIMITS.gateways)
    .superRefine(distinct(({ id }) => id, 'the gateway'))
    .default([])
    .describe('Our gateways, as peers reach them. Without one nothing can be exported.'),
  egress_gateway: target()
    .optional()
    .describe(
      "A gateway of ours that imports lead to, instead of straight to the peer's gateway. It reads `routes_file`.",
    ),
  routes_file: path()
    .optional()
    .describe(
      'File that the agent writes for `federate gateway`: from each SNI to its target, and nothing else.',
    ),
  policy_file: path()
    .optional()
    .describe(
      'File that the agent writes for OPA: the access rules of our services as data (`data.federate`), for meshes that cannot name every caller. The rules that read it come from `federate access compile --for opa`.',
    ),
  suffix: suffix().prefault('federated').describe('End of the host names of imports.'),
  sni_suffix: suffix()
    .optional()
    .describe(
      'End of the SNIs of our exports; left out: the own trust domain. Needed where that is not a legal host name.',
    ),
  catalogue_lifetime: duration()
    .refine(
      (ms) => ms >= 60_000 && ms <= CATALOGUE_LIMITS.lifetimeMs,
      'the lifetime of a catalogue is from 1m to 31d',
    )
    .prefault('24h')
    .describe('How long a peer may use our list of exports without a newer one.'),
  drain: duration()
    .refine((ms) => ms <= HOUR_MS, 'draining takes at most an hour')
    .prefault('30s')
    .describe('How long a withdrawn service is still reachable, without new connections.'),
  stale_policy: z
    .enum(['keep', 'remove'])
    .default('keep')
    .describe(
      'What becomes of imports while their catalogue is not renewed: `keep` them until it expires, or `remove` them as soon as it is overdue.',
    ),
  networks: z
    .array(network)
    .max(MAX_NETWORKS)
    .superRefine(distinct(({ id }) => id, 'the network'))
    .default([])
    .describe(
      'Networks in which workloads of peers are reached by their addresses. A call then needs no gateway (docs/services.md).',
    ),
  allowed_gateway_ranges: z
    .array(addressRange())
    .default([])
    .describe(
      'Loopback and private ranges in which gateways of peers may be, in CIDR notation. Without it only public addresses are accepted.',
    ),
  services: z
    .array(ownService)
    .max(MAX_SERVICES)
    .superRefine(distinct(({ id }) => id, 'the service'))
    .default([])
    .describe('Services that the mesh does not report by itself. Read again when the file changes.'),
  exports: z
    .array(exported)
    .max(MAX_SERVICES)
    .superRefine(distinct(({ service }) => service, 'the service'))
    .default([])
    .describe('What peers may see. Read again when the file changes.'),
  imports: z
    .array(imported)
    .max(MAX_SERVICES)
    .superRefine(distinct(({ service, from }) => `${service} of ${from}`, 'the service'))
    .default([])
    .describe('Which services of peers we use. Read again when the file changes.'),
  access: z
    .array(access)
    .max(MAX_SERVICES)
    .superRefine(distinct(({ service }) => service, 'the service'))
    .default([])
    .describe('Who may call our services. Read again when the file changes.'),
});

/** Declared services have identities of the own trust domain. */
export function checkOwnIdentities(
  config: {
    readonly trust_domain?: TrustDomain | undefined;
    readonly services?: Partial<z.output<typeof services>> | undefined;
  },
  context: z.RefinementCtx,
): void {
  const { trust_domain: own, services: section } = config;
  if (own === undefined || !Array.isArray(section?.services)) return;
  for (const [index, { spiffe_ids: ids = [] }] of section.services.entries()) {
    for (const [place, id] of ids.entries())
      if (trustDomainOf(id) !== own)
        context.addIssue({
          code: 'custom',
          path: ['services', 'services', index, 'spiffe_ids', place],
          message: `is not of the own trust domain ${own}`,
        });
  }
}
