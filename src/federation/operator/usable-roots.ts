import type { EndpointProfile, ParsedBundle } from '../../spiffe/index.ts';
import { FederationError } from '../fetch/errors.ts';
import { endpointTrustDomain, hasUsableRoot } from '../fetch/serving.ts';
import { leftOutNotes, whyUnusable } from '../trust/unusable-document.ts';

/** An error names at most this many roots and entries. */
const MOST_SHOWN = 5;

/**
 * Refuses a first bundle that verifies no identity: it is a mistake, not a revocation. A bundle
 * whose entries other programs cannot read is accepted without keys. Because the peer can correct
 * it, the relationship waits for that and names the wrong entry. Where only a root of the peer
 * could prove its endpoint, no correction could arrive, so such a bundle is refused as well.
 */
export function refuseUnusable(first: ParsedBundle, profile: EndpointProfile, now: Date): void {
  const { trustDomain, jwtAuthorities } = first.bundle;
  if (hasUsableRoot(first.bundle, now)) return;
  const selfServing = endpointTrustDomain(profile) === trustDomain;
  const why = whyUnusable(first);
  if (!selfServing && (jwtAuthorities.length > 0 || why?.code === 'no-usable-entries')) return;
  throw new FederationError(
    'bootstrap-bundle-unusable',
    `the bundle of ${trustDomain} has no X.509 root that is valid at ${now.toISOString()}: ${whyNoRootCounts(first)}`,
  );
}

/** Why no root of a bundle counts now: when each is valid, and which entries are not used. */
export function whyNoRootCounts(parsed: ParsedBundle): string {
  const roots = parsed.bundle.x509Authorities.map(
    ({ subject, fingerprint, notBefore, notAfter }) =>
      `${subject || fingerprint} is valid from ${notBefore.toISOString()} to ${notAfter.toISOString()}`,
  );
  const found = [...roots, ...leftOutNotes(parsed).map(({ message }) => message)];
  return found.slice(0, MOST_SHOWN).join('; ') || 'it has no root';
}
