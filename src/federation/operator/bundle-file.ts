import {
  BundleError,
  type BundleLimits,
  bundleOf,
  certificatesFromPem,
  parseBundle,
  type ParsedBundle,
  PemError,
  portableAuthorityFromDer,
  type TrustDomain,
} from '../../spiffe/index.ts';
import { FederationError } from '../fetch/errors.ts';

/**
 * A bundle from a file of the operator: a SPIFFE bundle, or CA certificates in PEM (FED-30). Throws
 * `FederationError` `bootstrap-bundle-invalid`, with what is wrong as its cause.
 */
export function parseBundleFile(
  trustDomain: TrustDomain,
  document: Uint8Array,
  limits: BundleLimits,
): ParsedBundle {
  try {
    const text = Buffer.from(document.buffer, document.byteOffset, document.byteLength);
    if (!text.includes('-----BEGIN')) return parseBundle(trustDomain, document, limits);
    const ders = certificatesFromPem(text.toString('utf8'));
    return { bundle: bundleOf(trustDomain, ders.map(portableAuthorityFromDer)), notes: [] };
  } catch (error) {
    if (error instanceof BundleError || error instanceof PemError)
      throw new FederationError(
        'bootstrap-bundle-invalid',
        `the bundle given for ${trustDomain} cannot be read: ${error.message}`,
        { cause: error },
      );
    throw error;
  }
}
