import {
  BundleError,
  CertificateError,
  certificatesFromPem,
  isTrustDomain,
  parseCertificate,
  PemError,
  x509AuthorityFromDer,
} from '../../spiffe/index.ts';
import type { PresentKey } from './admission.ts';
import type { PresentAnchor } from './anchors.ts';
import type { PresentTrust } from './mesh-adapter.ts';

/** The certificates of a text with the PEM of each; none where the text does not parse. */
export function certificatesIn(text: string): Omit<PresentAnchor, 'trustDomain'>[] {
  try {
    const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g) ?? [];
    return blocks.flatMap((pem) =>
      certificatesFromPem(pem).map((der) => ({ pem, certificate: parseCertificate(der) })),
    );
  } catch (error) {
    if (error instanceof PemError || error instanceof CertificateError) return [];
    throw error;
  }
}

/** The keys of these anchors, with their trust domains. */
export function keysOfAnchors(anchors: readonly PresentAnchor[]): readonly PresentKey[] {
  return anchors.map(({ trustDomain, certificate: { keyFingerprint } }) => ({ trustDomain, keyFingerprint }));
}

/**
 * The same anchors as trust that is present, by trust domain. An anchor under a name that is not a
 * trust domain is left out.
 */
export function presentOfAnchors(
  anchors: readonly Pick<PresentAnchor, 'trustDomain' | 'pem'>[],
  where: string,
): PresentTrust[] {
  return [...Map.groupBy(anchors, ({ trustDomain }) => trustDomain)].flatMap(([trustDomain, each]) =>
    isTrustDomain(trustDomain) ? [{ trustDomain, roots: rootsIn(each.map(({ pem }) => pem)), where }] : [],
  );
}

/** The roots in these texts, each once; a text that cannot be read has none. */
export function rootsIn(pems: readonly string[]): NonNullable<PresentTrust['roots']> {
  const roots = pems.flatMap((pem) => {
    try {
      return certificatesFromPem(pem).map(x509AuthorityFromDer);
    } catch (error) {
      if (error instanceof PemError || error instanceof BundleError) return [];
      throw error;
    }
  });
  return [...new Map(roots.map((root) => [root.fingerprint, root])).values()];
}
