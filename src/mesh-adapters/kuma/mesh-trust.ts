import { MeshAdapterError } from '../contract/errors.ts';

/** A MeshTrust, from REST or Kubernetes. See docs/meshes/kuma.md. */
export interface MeshTrust {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** As it is stored; the product does not check it. */
  readonly trustDomain: string;
  /** The PEM texts of its CA bundles, in their order. */
  readonly pems: readonly string[];
  /** Set by the control plane on those it made from a MeshIdentity: these are the mesh's own. */
  readonly originKri?: string;
}

/** The part of a MeshTrust that we write; the rest belongs to the control plane. */
export interface MeshTrustSpec {
  readonly trustDomain: string;
  readonly caBundles: readonly { readonly type: 'Pem'; readonly pem: { readonly value: string } }[];
}

/**
 * Reads a MeshTrust from its spec and status. Missing or malformed fields read as empty, because an
 * object of another owner must not stop the agent. Throws `MeshAdapterError`
 * `mesh-answer-malformed` where it has no spec.
 */
export function parseMeshTrust(
  name: string,
  labels: Readonly<Record<string, string>>,
  body: { readonly spec?: unknown; readonly status?: unknown },
): MeshTrust {
  const { spec, status } = body;
  if (typeof spec !== 'object' || spec === null)
    throw new MeshAdapterError('mesh-answer-malformed', `MeshTrust ${name} lacks a spec`);
  const { trustDomain, caBundles } = spec as { trustDomain?: unknown; caBundles?: unknown };
  const { origin } = Object(status) as { origin?: unknown };
  const { kri } = Object(origin) as { kri?: unknown };
  return {
    name,
    labels,
    trustDomain: typeof trustDomain === 'string' ? trustDomain : '',
    pems: (Array.isArray(caBundles) ? caBundles : []).map(pemOf),
    ...(typeof kri === 'string' && kri !== '' && { originKri: kri }),
  };
}

function pemOf(caBundle: unknown): string {
  const { pem } = Object(caBundle) as { pem?: unknown };
  const { value } = Object(pem) as { value?: unknown };
  return typeof value === 'string' ? value : '';
}
