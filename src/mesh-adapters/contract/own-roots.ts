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

/** PEM texts of one place, and how a message names that place. */
export interface PemSource {
  readonly where: string;
  readonly pems: readonly string[];
}

/**
 * The mesh's own roots from PEM texts, all or none: publishing some of them would revoke the others
 * at every peer. Throws `MeshAdapterError` `own-roots-malformed`.
 */
export function ownRootsFromPem(pems: readonly string[], where: string): X509Authority[] {
  return ownRootsFromSources([{ where, pems }]);
}

/**
 * The same from several places. The error names the place, and the certificate by its number there.
 */
export function ownRootsFromSources(sources: readonly PemSource[]): X509Authority[] {
  const roots = sources.flatMap(rootsOf);
  return [...new Map(roots.map((root) => [root.fingerprint, root])).values()];
}

function rootsOf({ where, pems }: PemSource): X509Authority[] {
  const ders = orMalformed(`the own roots in ${where}`, () => pems.flatMap(certificatesFromPem));
  return ders.map((der, index) =>
    orMalformed(`certificate ${index + 1} of the own roots in ${where}`, () => x509AuthorityFromDer(der)),
  );
}

function orMalformed<Result>(what: string, read: () => Result): Result {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof PemError || cause instanceof BundleError)) throw cause;
    throw new MeshAdapterError('own-roots-malformed', `${what} could not be read`, { cause });
  }
}

/** Whether a pin names the root, by the digest of its key or of its certificate. */
export function isPinned(root: X509Authority, pin: Pin): boolean {
  return pin === `sha256:${root.fingerprint}` || isKeyPinned(root, pin);
}
