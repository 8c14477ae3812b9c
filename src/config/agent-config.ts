import { z } from 'zod';
import type { TrustDomain } from '../spiffe/index.ts';
import { audit } from './agent/audit.ts';
import { clusterTrustBundles } from './agent/cluster-trust-bundles.ts';
import { endpoint } from './agent/endpoint.ts';
import { federation } from './agent/federation.ts';
import { rotation } from './agent/rotation.ts';
import { checkOwnIdentities, services } from './agent/services.ts';
import { workloadApi } from './agent/workload-api.ts';
import { evenIfWrong, path, processFields, trustDomainField } from './fields.ts';
import { mesh, reportsTrustDomain } from './mesh/mesh.ts';
import { svidSource } from './svid-config.ts';

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
    audit: audit.describe(
      'Where every event of the history goes as a CloudEvent: in its order, at least once, and over restarts.',
    ),
    federation: federation.prefault({}).describe('How peers are polled.'),
    rotation: rotation
      .prefault({})
      .describe('How the rotation of own roots is judged (`federate rotation`).'),
    services: services
      .optional()
      .describe(
        'The exchange of services with peers: what is exported, imported, and who may call. Off when absent.',
      ),
  })
  .superRefine(checkTrustDomain, evenIfWrong)
  .superRefine(checkIdentity, evenIfWrong)
  .superRefine(checkGivenSvid, evenIfWrong)
  .superRefine(checkOwnIdentities, evenIfWrong);

/** A section in a check across sections. It may be wrong, or lack fields. */
type Loose<Section> = Partial<Section> | undefined;

/** A mesh that does not report its trust domain needs `trust_domain`. */
function checkTrustDomain(
  config: { readonly trust_domain?: TrustDomain | undefined; readonly mesh?: Loose<z.output<typeof mesh>> },
  context: z.RefinementCtx,
): void {
  const { trust_domain: trustDomain, mesh: section } = config;
  if (trustDomain !== undefined || section === undefined || reportsTrustDomain(section)) return;
  context.addIssue({
    code: 'custom',
    path: ['trust_domain'],
    message: `is needed with this mesh of kind ${section.kind}, which does not report it`,
  });
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

/** `services` of an agent's config. */
export type ServicesConfig = NonNullable<AgentConfig['services']>;
