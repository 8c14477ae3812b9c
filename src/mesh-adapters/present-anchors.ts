import { CertificateError, certificatesFromPem, parseCertificate, PemError } from '../spiffe/index.ts';
import type { PresentAnchor } from './anchors.ts';

/** The certificates of a text with the PEM of each; none where somebody spoiled the text. */
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
