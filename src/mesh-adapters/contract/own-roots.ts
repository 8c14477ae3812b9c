import {
  BundleError,
  certificatesFromPem,
  PemError,
  type Pin,
  isKeyPinned,
  type X509Authority,
  x509AuthorityFromDer,
} from '../../spiffe/index.ts';
import { MeshAdapterError } from './errors.ts';

/**
 * The mesh's own roots from PEM texts, all or none: publishing some of them would revoke the others
 * at every peer. Throws `MeshAdapterError` `own-roots-malformed`.
 */
export function ownRootsFromPem(pems: readonly string[], where: string): X509Authority[] {
  try {
    const roots = pems.flatMap((pem) => certificatesFromPem(pem).map(x509AuthorityFromDer));
    return [...new Map(roots.map((root) => [root.fingerprint, root])).values()];
  } catch (cause) {
    if (!(cause instanceof PemError || cause instanceof BundleError)) throw cause;
    throw new MeshAdapterError('own-roots-malformed', `the own roots in ${where} could not be read`, {
      cause,
    });
  }
}

/** Whether a pin names the root, by the digest of its key or of its certificate. */
export function isPinned(root: X509Authority, pin: Pin): boolean {
  return pin === `sha256:${root.fingerprint}` || isKeyPinned(root, pin);
}
