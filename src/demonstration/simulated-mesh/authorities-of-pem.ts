import {
  BundleError,
  certificatesFromPem,
  PemError,
  type X509Authority,
  x509AuthorityFromDer,
} from '../../spiffe/index.ts';

/**
 * The authorities of a PEM text. Empty for unreadable text: the products keep it, and only their
 * proxies would notice.
 */
export function authoritiesOfPem(pem: string): X509Authority[] {
  try {
    return certificatesFromPem(pem).map(x509AuthorityFromDer);
  } catch (error) {
    if (error instanceof PemError || error instanceof BundleError) return [];
    throw error;
  }
}
