import { z } from 'zod';
import type { TrustDomain } from '../spiffe/index.ts';
import { addressRange } from './address-range.ts';
import { exemptHost, proxyUrl } from './proxy-fields.ts';
import { federationGateway } from './federation-gateway-config.ts';
import {
  duration,
  endpointUrlField,
  evenIfWrong,
  listenAddress,
  path,
  processFields,
  size,
  trustDomainField,
} from './fields.ts';
import { clusterTrustBundles, kumaMesh, linkerdMesh, spireMesh, vaultMesh } from './mesh-sections.ts';
import { svidSource } from './svid-config.ts';
import { workloadApi } from './workload-api-config.ts';

const endpointCommon = {
  listen: listenAddress().describe('Where the bundle endpoint listens, `host:port`.'),
  url: endpointUrlField().describe('The URL at which peers reach it; `https`, no user name (FED-08).'),
  path: z
    .string()
    .regex(/^\/[A-Za-z0-9._~/-]*$/, 'a path begins with "/" and holds only letters, digits and ._~/-')
    .default('/')
    .describe('A path that serves the bundle besides `/`.'),
  refresh_hint: duration()
    .refine((ms) => ms >= 1000 && ms % 1000 === 0, 'a refresh hint is at least one whole second')
    .prefault('5m')
    .describe('How often peers should poll again (`spiffe_refresh_hint`); whole seconds.'),
  max_connections: z
    .int()
    .min(1)
    .default(10_000)
    .describe('Connections held at once; further ones are closed.'),
  max_connections_per_address: z.int().min(1).default(1000).describe('The same, per remote address.'),
  max_waiting: z
    .int()
    .min(0)
    .default(2000)
    .describe(
      'Clients held until the bundle changes (`Prefer: wait`), one on each connection; further ones are answered at once. A quarter of the places is kept for peers that prove who they are.',
    ),
  carry_signed_bundles: z
    .boolean()
    .default(false)
    .describe(
      'Whether signed bundles of peers are served to anybody at `/federate/v1/signed-bundle/<trust domain>`. It shows with whom this agent federates.',
    ),
  max_waiting_per_address: z
    .int()
    .min(0)
    .default(16)
    .describe(
      'The same, of one remote address (IPv6: of one /64; a /48 has four times as many), for clients that do not prove which peer they are.',
    ),
};

const endpoint = z.discriminatedUnion('profile', [
  z.strictObject({
    profile: z.literal('https_spiffe').describe('Authenticated by an X509-SVID of this trust domain.'),
    ...endpointCommon,
    svid: svidSource,
  }),
  z.strictObject({
    profile: z.literal('https_web').describe('Authenticated by a Web PKI certificate for the host of `url`.'),
    ...endpointCommon,
    certificate_file: path().describe('PEM file with the chain, leaf first. Re-read when it changes.'),
    key_file: path().describe('PEM file with the private key.'),
    ca_file: path()
      .optional()
      .describe(
        'PEM file with the CA above that certificate, where it is not one of the public Web PKI; an invitation sends it to the peer. Read at the start.',
      ),
  }),
]);

const istio = z
  .strictObject({
    kind: z.literal('istio'),
    kubeconfig: path()
      .optional()
      .describe('Kubeconfig file; without it the in-cluster service account is used.'),
    context: z.string().optional().describe('Context of the kubeconfig; without it the current one.'),
    system_namespace: z.string().default('istio-system').describe('Namespace of the mesh ConfigMap.'),
    mesh_config_map: z
      .string()
      .default('istio')
      .describe('Name of the mesh ConfigMap; `istio-<revision>` for a revision.'),
    revisions: z
      .enum(['all', 'one'])
      .default('all')
      .describe(
        'Whether foreign roots are also written into the mesh ConfigMaps of the other revisions, which lie in the same namespace.',
      ),
    mesh_config_file: path()
      .optional()
      .describe(
        'Without Kubernetes: the file that istiod is given as `--meshConfig`, in a folder that the agent may write.',
      ),
    own_pem_files: z
      .array(path())
      .min(1)
      .optional()
      .describe("With `mesh_config_file`: PEM files with the roots of istiod's CA."),
    poll: duration().prefault('2s').describe('With `mesh_config_file`: how often the files are looked at.'),
    root_config_map: z
      .string()
      .default('istio-ca-root-cert')
      .describe('Name of the ConfigMap that holds the own roots.'),
    root_namespace: z
      .string()
      .default('istio-system')
      .describe('Namespace from which that ConfigMap is read.'),
    accept_unnarrowed_roots: z
      .boolean()
      .default(false)
      .describe(
        'Write foreign roots unchanged. Any of them can then speak for any trust domain, this one included.',
      ),
  })
  .superRefine((mesh, context) => {
    const inFiles = mesh.mesh_config_file !== undefined;
    const refuse = (key: string, message: string) =>
      context.addIssue({ code: 'custom', path: [key], message });
    if (inFiles && mesh.own_pem_files === undefined)
      refuse('own_pem_files', 'is needed with mesh_config_file: no ConfigMap has the roots');
    if (!inFiles && mesh.own_pem_files !== undefined)
      refuse(
        'own_pem_files',
        'goes with mesh_config_file; in Kubernetes the roots are read from root_config_map',
      );
    for (const key of ['kubeconfig', 'context'] as const)
      if (inFiles && mesh[key] !== undefined)
        refuse(key, 'does not go with mesh_config_file, which works without Kubernetes');
  }, evenIfWrong);

const consul = z.strictObject({
  kind: z.literal('consul'),
  address: z.url({ protocol: /^https?$/ }).describe('Base URL of the HTTP API of a Consul server.'),
  token_file: path().optional().describe('File with an ACL token that has `peering = "write"`.'),
  ca_file: path()
    .optional()
    .describe(
      "PEM file with what signs the API's certificate, with an `https` address; without it the system's store.",
    ),
  peer_name_prefix: z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9-]{0,31}$/,
      'a prefix is up to 32 letters, digits and hyphens, the first no hyphen',
    )
    .default('federate-')
    .describe('Peerings whose name begins with this belong to the agent.'),
  federation_gateway: federationGateway
    .optional()
    .describe(
      'Lets foreign identities past intentions: each enters as a Consul service of its own, through an Envoy that `federate export-config --for consul-gateway` configures. Absent: only the passthrough.',
    ),
});

const files = z.strictObject({
  kind: z.literal('files'),
  own_pem_files: z.array(path()).min(1).optional().describe('PEM files with the own roots; or:'),
  own_bundle_file: path().optional().describe('A SPIFFE bundle document with the own roots and JWT keys.'),
  own_signing_pem_file: path()
    .optional()
    .describe(
      'A PEM file with the own root that signs identities now. In a mesh of files `federate rotation` has no other source for that.',
    ),
  foreign_folder: path().describe(
    'Folder into which foreign bundles are written, one PEM and one bundle per trust domain.',
  ),
  poll: duration().prefault('2s').describe('How often the own files are looked at.'),
});

const mesh = z.discriminatedUnion('kind', [
  istio,
  consul,
  kumaMesh,
  linkerdMesh,
  spireMesh,
  vaultMesh,
  files,
]);

const proxy = z.strictObject({
  url: proxyUrl().describe(
    'The proxy, as `http://host:port`. It sees names and ports of endpoints, and only TLS.',
  ),
  credentials_file: path()
    .optional()
    .describe(
      'File with one line, `user:password`, mode 0600. It is read for each connection, so it can be replaced at any time.',
    ),
  no_proxy: z
    .array(exemptHost())
    .default([])
    .describe(
      'Hosts that are connected to directly: an IP address, a host name, or `.example.org` for every name under `example.org`.',
    ),
});

const federation = z.strictObject({
  default_poll: duration().prefault('5m').describe('Interval for a peer without a refresh hint (TDB-13).'),
  minimum_poll: duration()
    .prefault('5s')
    .describe('Shortest time between two polls of a peer, whatever its hint.'),
  maximum_poll: duration()
    .prefault('1h')
    .describe('Longest time between two polls of a peer, whatever its hint.'),
  max_polls_in_flight: z
    .int()
    .min(1)
    .default(64)
    .describe(
      'Polls at once; one per peer at most. Those that wait long for an endpoint are counted apart, up to eight times as many.',
    ),
  connect_timeout: duration().prefault('5s').describe('Longest wait for a connection and its handshake.'),
  total_timeout: duration().prefault('15s').describe('Longest time for a whole poll, redirects included.'),
  hold: duration()
    .refine((ms) => ms <= 3_600_000, 'a request is held for at most an hour')
    .prefault('5m')
    .describe(
      'How long a request is held at a peer that answers when its bundle changes (`Prefer: wait`); `0s` turns it off.',
    ),
  max_held: z
    .int()
    .min(0)
    .default(256)
    .describe('Requests held at once, over all peers; peers beyond that are only polled.'),
  forbidden_addresses: z
    .array(addressRange())
    .default([])
    .describe(
      'Ranges that the agent never connects to, in CIDR notation: `10.0.0.0/8`. This holds for every peer, invitation and redirect, and for IPv6 addresses that lead to an IPv4 address in them (mapped, NAT64, 6to4, Teredo, ISATAP). The addresses at which clouds hand out credentials are always forbidden.',
    ),
  overlap_lead: duration()
    .prefault('1d')
    .describe(
      'For an `https_web` peer: how long a root or JWT key is held before it counts as an overlap, and never less than three refresh hints. An offer without such a key waits for `federate review` as a takeover would.',
    ),
  strict_key_usage: z
    .boolean()
    .default(false)
    .describe(
      'Refuses X509-SVIDs of peers whose key usage is missing or not critical (X509-11). Without it they are accepted, logged, and counted in `federate_svid_warnings_total`.',
    ),
  proxy: proxy
    .optional()
    .describe(
      'An HTTP proxy (CONNECT) for every connection to bundle endpoints of others. Endpoints are verified as without it. Variables such as `HTTPS_PROXY` are not used.',
    ),
  max_document: size().prefault('1MiB').describe('Largest bundle document that is read.'),
  max_redirects: z
    .int()
    .min(0)
    .max(5)
    .default(5)
    .describe('Redirects followed in one poll; 0 turns them off.'),
});

const rotation = z.strictObject({
  lead: duration()
    .optional()
    .describe(
      'How long a new root is published before peers that do not report what they hold count as having it; without it three refresh hints. Istio reading `spiffeBundleUrl` polls every 30 minutes, whatever the hint.',
    ),
  leaf_lifetime: duration()
    .optional()
    .describe(
      'The longest lifetime of an SVID of the mesh. A root must stay published for this long after it stops signing. Without it 72h for Consul, 24h for the others.',
    ),
  settle: duration()
    .prefault('10s')
    .describe(
      'How long the mesh of a peer may take to bring a root to its proxies, where it cannot report that.',
    ),
  ca_lifetime: duration()
    .optional()
    .describe(
      'The lifetime of a root of the mesh, where its CA rotates by itself: checked against the hint before anything starts.',
    ),
});

/** The config of `federate agent`. */
export const agentConfigSchema = z
  .strictObject({
    trust_domain: trustDomainField()
      .optional()
      .describe(
        'The own trust domain. Needed for `files`, for `vault` and for `spire` by address; for the others it must agree with what the mesh reports.',
      ),
    store: path().describe('The SQLite store; created with mode 0600 when it is not there.'),
    admin_socket: path()
      .default('/run/federate/admin.sock')
      .describe('Unix socket of the admin API, mode 0600: every process that may open it may change trust.'),
    ...processFields,
    endpoint: endpoint.describe('The bundle endpoint.'),
    identity: svidSource
      .optional()
      .describe(
        'The X509-SVID this agent signs with (invitations, reports to peers, its history), where its endpoint is `https_web`; with `https_spiffe` it is `endpoint.svid`.',
      ),
    mesh: mesh.describe('The mesh of this agent.'),
    cluster_trust_bundles: clusterTrustBundles
      .optional()
      .describe(
        'In addition to the mesh, whatever its kind: foreign trust also as one Kubernetes ClusterTrustBundle per trust domain, for pods to mount.',
      ),
    workload_api: workloadApi
      .optional()
      .describe('Gives the trust to proxies and workloads directly; off when absent.'),
    federation: federation.prefault({}).describe('How peers are polled.'),
    rotation: rotation
      .prefault({})
      .describe('How the rotation of own roots is judged (`federate rotation`).'),
  })
  .superRefine(checkMesh, evenIfWrong)
  .superRefine(checkIdentity, evenIfWrong)
  .superRefine(checkGivenSvid, evenIfWrong);

/**
 * The input of a check across sections: which sections are wrong, and what could be read of each.
 */
type Loose<Section> = Partial<Section> | undefined;

/** What a mesh needs beyond its own section. */
function checkMesh(
  config: { readonly trust_domain?: TrustDomain | undefined; readonly mesh?: Loose<z.output<typeof mesh>> },
  context: z.RefinementCtx,
): void {
  const { mesh: section } = config;
  const kind = section?.kind;
  const unreported =
    kind === 'files' || kind === 'vault' || (section?.kind === 'spire' && section.address !== undefined);
  if (unreported && config.trust_domain === undefined) {
    context.addIssue({
      code: 'custom',
      path: ['trust_domain'],
      message: `is needed with this mesh of kind ${kind}, which does not report it`,
    });
  }
  if (section?.kind !== 'files') return;
  if ((section.own_pem_files === undefined) === (section.own_bundle_file === undefined)) {
    context.addIssue({
      code: 'custom',
      path: ['mesh'],
      message: 'own roots come from either own_pem_files or own_bundle_file',
    });
  }
}

/**
 * One SVID per agent: a peer that knows it from the endpoint must find it below the signatures too.
 */
function checkIdentity(
  config: { readonly endpoint?: Loose<z.output<typeof endpoint>>; readonly identity?: unknown },
  context: z.RefinementCtx,
): void {
  if (config.identity === undefined || config.endpoint?.profile !== 'https_spiffe') return;
  context.addIssue({
    code: 'custom',
    path: ['identity'],
    message: 'goes with endpoint.profile https_web; with https_spiffe the agent signs with endpoint.svid',
  });
}

/** Only what the agent has can be given. */
function checkGivenSvid(
  config: {
    readonly endpoint?: Loose<z.output<typeof endpoint>>;
    readonly identity?: unknown;
    readonly workload_api?: Loose<z.output<typeof workloadApi>>;
  },
  context: z.RefinementCtx,
): void {
  const hasSvid = config.endpoint?.profile !== 'https_web' || config.identity !== undefined;
  if (config.workload_api?.give_own_svid !== true || hasSvid) return;
  context.addIssue({
    code: 'custom',
    path: ['workload_api', 'give_own_svid'],
    message: 'needs an SVID: with endpoint.profile https_web that of "identity"',
  });
}

export type AgentConfig = z.output<typeof agentConfigSchema>;
