import { MeshAdapterError } from '../contract/errors.ts';

/** A MeshTrust, as REST and Kubernetes both tell it (docs/meshes/kuma.md). */
export interface MeshTrust {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** As it stands there; the product does not check it. */
  readonly trustDomain: string;
  /** The PEM texts of its CA bundles, in their order. */
  readonly pems: readonly string[];
  /** Set by the control plane on those it made from a MeshIdentity: these are the mesh's own. */
  readonly originKri?: string;
}

/** What is written of a MeshTrust; everything else of it is the control plane's. */
export interface MeshTrustSpec {
  readonly trustDomain: string;
  readonly caBundles: readonly { readonly type: 'Pem'; readonly pem: { readonly value: string } }[];
}

/**
 * A MeshTrust from its spec and status. Fields that somebody else left out or misshaped read as
 * empty: their object must not keep us from our work. Throws `MeshAdapterError`
 * `mesh-answer-malformed` where it has no spec.
 */
export function parseMeshTrust(
  name: string,
  labels: Readonly<Record<string, string>>,
  body: { readonly spec?: unknown; readonly status?: unknown },
): MeshTrust {
  const { spec, status } = body;
  if (typeof spec !== 'object' || spec === null)
    throw new MeshAdapterError('mesh-answer-malformed', `MeshTrust ${name} has no spec`);
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
