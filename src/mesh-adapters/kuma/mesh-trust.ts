import { z } from 'zod';
import { readAnswer } from '../contract/answer.ts';

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

const text = z.string().catch('');
const pem = z.object({ value: text }).catch({ value: '' });
const SPEC = z.object({
  trustDomain: text,
  caBundles: z.array(z.object({ pem }).catch({ pem: { value: '' } })).catch([]),
});
const NO_ORIGIN = { kri: '' };
const STATUS = z.object({ origin: z.object({ kri: text }).catch(NO_ORIGIN) }).catch({ origin: NO_ORIGIN });

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
  const { trustDomain, caBundles } = readAnswer(SPEC, body.spec, `the spec of MeshTrust ${name}`);
  const kri = STATUS.parse(body.status).origin.kri;
  return {
    name,
    labels,
    trustDomain,
    pems: caBundles.map(({ pem }) => pem.value),
    ...(kri !== '' && { originKri: kri }),
  };
}
