import type { X509Authority } from './bundle.ts';
import { parseSpiffeId, SpiffeIdError, trustDomainOf } from '../id/spiffe-id.ts';
import type { TrustDomain } from '../id/trust-domain.ts';
import { CertificateError, parseCertificate } from '../x509/certificate.ts';

const named = new WeakMap<X509Authority, readonly TrustDomain[]>();

/**
 * The trust domains of the SPIFFE IDs among the names of an authority; a CA may have one (X509-SVID
 * §4.1), and many have none.
 */
export function trustDomainsNamedBy(authority: X509Authority): readonly TrustDomain[] {
  const known = named.get(authority);
  if (known) return known;
  const found = urisOf(authority).flatMap((uri) => trustDomainIn(uri) ?? []);
  named.set(authority, found);
  return found;
}

function urisOf({ der }: X509Authority): readonly string[] {
  try {
    return parseCertificate(der).subjectAltNames.uris;
  } catch (error) {
    if (error instanceof CertificateError) return [];
    throw error;
  }
}

function trustDomainIn(uri: string): TrustDomain | undefined {
  try {
    return trustDomainOf(parseSpiffeId(uri));
  } catch (error) {
    // A URI that is not a SPIFFE ID does not name a trust domain.
    if (error instanceof SpiffeIdError) return undefined;
    throw error;
  }
}
