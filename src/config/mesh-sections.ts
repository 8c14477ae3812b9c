import { z } from 'zod';
import { duration, evenIfWrong, path, pinField, trustDomainField } from './fields.ts';

const kubernetes = {
  kubeconfig: path()
    .optional()
    .describe('Kubeconfig file; without it the in-cluster service account is used.'),
  context: z.string().optional().describe('Context of the kubeconfig; without it the current one.'),
};

const namePrefix = (what: string) =>
  z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9-]{0,31}$/,
      'a prefix is up to 32 letters, digits and hyphens, the first no hyphen',
    )
    .default('federate-')
    .describe(`${what} whose name begins with this and that carry our label belong to the agent.`);

/** `mesh` of kind `kuma`. */
export const kumaMesh = z
  .strictObject({
    kind: z.literal('kuma'),
    address: z
      .url({ protocol: /^https?$/ })
      .optional()
      .describe(
        "Base URL of the control plane's REST API; without it MeshTrusts are read and written as Kubernetes objects.",
      ),
    token_file: path()
      .optional()
      .describe('With `address`: file with a user token that may change MeshTrusts.'),
    ca_file: path().optional().describe("With `address`: PEM file with what signs the API's certificate."),
    poll: duration().prefault('5s').describe('With `address`: how often the API is polled; it has no watch.'),
    ...kubernetes,
    namespace: z
      .string()
      .default('kuma-system')
      .describe('Without `address`: the namespace of the control plane, the only one for MeshTrusts.'),
    mesh: z.string().min(1).default('default').describe('The mesh of that control plane.'),
    name_prefix: namePrefix('MeshTrusts'),
    origin: z
      .enum(['zone', 'global'])
      .optional()
      .describe(
        'Label `kuma.io/origin` of what is made: `zone` at the control plane of a federated zone, `global` at a global one.',
      ),
  })
  .superRefine((mesh, context) => {
    const rest = mesh.address !== undefined;
    for (const key of rest ? (['kubeconfig', 'context'] as const) : (['token_file', 'ca_file'] as const)) {
      if (mesh[key] === undefined) continue;
      const message = rest ? 'does not go with "address"' : 'goes with "address" only';
      context.addIssue({ code: 'custom', path: [key], message });
    }
  }, evenIfWrong);

/** `mesh` of kind `vault`. */
export const vaultMesh = z.strictObject({
  kind: z.literal('vault'),
  address: z
    .url({ protocol: /^https?$/ })
    .describe('Base URL of a Vault or OpenBao server, such as `https://vault.example:8200`.'),
  mount: z
    .string()
    .regex(
      /^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/,
      'a mount is a path such as "pki" or "team/pki"',
    )
    .default('pki')
    .describe('Path of the PKI secrets engine with our roots.'),
  namespace: z.string().min(1).optional().describe('Namespace of that mount.'),
  token_file: path()
    .optional()
    .describe(
      'File with a token that may read the issuers. Without it the agent reads the public part, which does not show that an issuer was revoked.',
    ),
  ca_file: path().optional().describe("PEM file with what signs the server's certificate."),
  pinned_roots: z
    .array(pinField())
    .default([])
    .describe(
      'Our roots, `sha256:` and the digest of the key or of the certificate; each must be there. Without any, all self-signed certificates of the mount.',
    ),
  poll: duration().prefault('30s').describe('How often the mount is polled; it has no watch.'),
  foreign_folder: path().describe(
    'Folder into which foreign bundles are written, one PEM and one bundle per trust domain.',
  ),
});

/** `mesh` of kind `spire`. */
export const spireMesh = z
  .strictObject({
    kind: z.literal('spire'),
    socket: path()
      .optional()
      .describe(
        "The server's own Unix socket, such as `/tmp/spire-server/private/api.sock`; every process that may open it is an administrator. Or:",
      ),
    address: z
      .string()
      .regex(/^[^\s/:]+:\d{1,5}$/, 'an address is "host:port"')
      .optional()
      .describe("`host:port` of the server's TCP API, spoken to with an SVID of an admin entry."),
    certificate_file: path().optional().describe('With `address`: PEM file with that SVID, leaf first.'),
    key_file: path().optional().describe('With `address`: PEM file with its private key.'),
    trust_bundle_file: path()
      .optional()
      .describe(
        "With `address`: PEM file with the roots of the server's trust domain (`trust_domain` is needed then).",
      ),
    poll: duration().prefault('5s').describe('How often the own bundle is read; the API has no watch.'),
    foreign_trust: z
      .enum(['bundles', 'relationships'])
      .default('bundles')
      .describe(
        "How foreign trust gets into SPIRE: `bundles` pushes what the agent has verified; `relationships` makes federation relationships, by which SPIRE polls each peer by itself, without the agent's protection against rollback and dangerous changes (docs/meshes/spire.md). Never both for a peer.",
      ),
    owned_file: path()
      .optional()
      .describe(
        'File that lists which federated bundles and relationships are ours, because SPIRE cannot store that; by default `spire-federated.json` next to the store.',
      ),
  })
  .superRefine((mesh, context) => {
    const say = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message });
    if ((mesh.socket === undefined) === (mesh.address === undefined))
      context.addIssue({ code: 'custom', message: 'SPIRE is reached by either "socket" or "address"' });
    for (const key of ['certificate_file', 'key_file', 'trust_bundle_file'] as const) {
      if (mesh.address !== undefined && mesh[key] === undefined) say(key, 'is needed with "address"');
      if (mesh.socket !== undefined && mesh[key] !== undefined) say(key, 'goes with "address" only');
    }
  }, evenIfWrong);

/** `mesh` of kind `linkerd`. */
export const linkerdMesh = z
  .strictObject({
    kind: z.literal('linkerd'),
    ...kubernetes,
    namespace: z.string().default('linkerd').describe("Linkerd's own namespace."),
    trust_namespace: z
      .string()
      .default('cert-manager')
      .describe('Namespace in which trust-manager looks for its sources, and foreign anchors are written.'),
    bundle: z
      .string()
      .default('linkerd-identity-trust-roots')
      .describe("The Bundle of trust-manager with Linkerd's anchors in its target."),
    name_prefix: namePrefix('ConfigMaps'),
    linkerd_peers: z
      .array(trustDomainField())
      .default([])
      .describe(
        "Trust domains of peers whose workloads have Linkerd identities (DNS names): only these can be narrowed for Linkerd's proxies, all others are refused.",
      ),
    pinned_roots: z
      .array(pinField())
      .default([])
      .describe(
        "The anchors that are the mesh's own, `sha256:` and the digest of the key or of the certificate; without any, all that do not bear our mark.",
      ),
    accept_unnarrowed_roots: z
      .boolean()
      .default(false)
      .describe(
        'Write foreign roots unchanged. Any of them can then speak for any identity, those of this mesh included. Needs `pinned_roots`.',
      ),
  })
  .superRefine((mesh, context) => {
    if (!mesh.accept_unnarrowed_roots || mesh.pinned_roots.length > 0) return;
    const message =
      'is needed with accept_unnarrowed_roots: nothing else distinguishes own roots from foreign ones';
    context.addIssue({ code: 'custom', path: ['pinned_roots'], message });
  });

/** `cluster_trust_bundles`: an output in addition to the mesh. */
export const clusterTrustBundles = z.strictObject({
  ...kubernetes,
  signer_name: z
    .string()
    .regex(/^[a-z0-9.-]+\/[a-z0-9._-]+$/, 'a signer is "domain/name", such as "federate.example/peers"')
    .optional()
    .describe(
      'Signer of the objects; their names then begin with it, and writing them needs the verb `attest` on that signer. Without it they belong to no signer.',
    ),
  name_prefix: namePrefix('ClusterTrustBundles'),
  accept_unnarrowed_roots: z
    .boolean()
    .default(false)
    .describe('Write foreign roots unchanged. A pod that mounts one lets it speak for any identity.'),
});
