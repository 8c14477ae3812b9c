import type { BundleSource, EndpointProfile, TrustDomain } from '../../spiffe/index.ts';
import type { FetchTrace } from '../fetch/errors.ts';
import type { FetchOutcome } from '../fetch/fetch-bundle.ts';
import type { FetchLimits } from '../fetch/fetch-limits.ts';
import { maxSignedCharacters, openSignedBundle, type SignedBundle } from './signed-bundle.ts';

/** A fetched document, with the way that the fetch took and what proved it. */
export interface FetchedDocument {
  readonly document: Uint8Array;
  readonly trace: FetchTrace;
  /** For a signed one: as it came, to be carried on. */
  readonly signed?: SignedBundle;
}

/**
 * Opens what was fetched. From a bundle endpoint it is the document as it is. A signed bundle is
 * verified by the roots in `bundles`, and that takes the place of the connection's proof. Rejects
 * with `SignedBundleError`.
 */
export async function fetchedDocument(
  fetched: Extract<FetchOutcome, { kind: 'document' }>,
  options: {
    readonly trustDomain: TrustDomain;
    readonly profile: EndpointProfile;
    readonly bundles: BundleSource;
    readonly now: Date;
    readonly maxDocumentBytes: number;
  },
): Promise<FetchedDocument> {
  const { body, trace } = fetched;
  const { profile, ...rest } = options;
  if (profile.kind !== 'signed_bundle') return { document: body, trace };
  const { document, signer, expiresAt } = await openSignedBundle(body, {
    ...rest,
    signerId: profile.signerId,
  });
  return {
    document,
    signed: { token: Buffer.from(body).toString('latin1').trimEnd(), expiresAt },
    trace: { ...trace, leafFingerprint: signer.fingerprint, rootFingerprint: signer.anchorFingerprint },
  };
}

/** What a fetch may cost: a signed bundle is larger than the document in it. */
export function limitsOf(profile: EndpointProfile, limits: FetchLimits): FetchLimits {
  if (profile.kind !== 'signed_bundle') return limits;
  return { ...limits, maxBodyBytes: maxSignedCharacters(limits.maxBodyBytes) };
}
