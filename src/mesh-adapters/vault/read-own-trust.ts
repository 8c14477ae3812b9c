import { X509Certificate } from 'node:crypto';
import { parseCertificate, type Pin, type TrustDomain, type X509Authority } from '../../spiffe/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import type { OwnTrust } from '../contract/mesh-adapter.ts';
import { isPinned, ownRootsFromPem } from '../contract/own-roots.ts';
import { type OwnTrustPolling, pollOwnTrust } from '../contract/poll-own-trust.ts';
import type { VaultClient, VaultIssuer } from './vault-client.ts';

/**
 * Picks the anchors among the certificates of a mount. With pins these are exactly the pinned ones,
 * by the digest of the key or of the certificate. Without pins they are the self-signed ones.
 * Intermediates in a chain are not anchors. Throws `MeshAdapterError` `own-roots-malformed` where a
 * pinned one is missing, or nothing is left. See docs/meshes/vault.md.
 */
function anchorsOf(
  issuers: readonly VaultIssuer[],
  pins: readonly Pin[],
  where: string,
): readonly X509Authority[] {
  const all = ownRootsFromPem(
    issuers.flatMap(({ pems }) => pems),
    where,
  );
  if (pins.length === 0) {
    const anchors = all.filter(isSelfSigned);
    if (anchors.length > 0) return anchors;
    throw new MeshAdapterError(
      'own-roots-malformed',
      `no certificate of ${where} signed itself; pin the ones that are the roots`,
    );
  }
  const found = pins.map((pin) => ({ pin, root: all.find((root) => isPinned(root, pin)) }));
  const missing = found.find(({ root }) => root === undefined);
  if (missing) {
    throw new MeshAdapterError(
      'own-roots-malformed',
      `${where} has no certificate that matches the pinned root ${missing.pin}`,
    );
  }
  return all.filter((root) => pins.some((pin) => isPinned(root, pin)));
}

/** Reads the own trust from the mount now. Throws `MeshAdapterError`. */
export async function fetchOwnTrust(source: VaultSource, signal: AbortSignal): Promise<OwnTrust> {
  const { client, trustDomain, pins, where } = source;
  return { trustDomain, roots: anchorsOf(await client.issuers(signal), pins, where) };
}

/** The source of the own trust. */
export interface VaultSource {
  readonly client: VaultClient;
  readonly trustDomain: TrustDomain;
  readonly pins: readonly Pin[];
  /** The mount, for messages. */
  readonly where: string;
}

/**
 * Reports the own trust now and every `pollMs` until the signal aborts. A failed read changes
 * nothing.
 */
export async function readOwnTrust({
  source,
  ...polling
}: OwnTrustPolling & { readonly source: VaultSource }): Promise<void> {
  await pollOwnTrust((signal) => fetchOwnTrust(source, signal), polling);
}

function isSelfSigned({ der }: X509Authority): boolean {
  const { subjectDer, issuerDer } = parseCertificate(der);
  if (Buffer.compare(subjectDer, issuerDer) !== 0) return false;
  const certificate = new X509Certificate(der);
  return certificate.verify(certificate.publicKey);
}
