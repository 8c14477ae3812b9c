import type { CertificateProfile } from '../certificate-profile.ts';

/**
 * Istio's own CA: RSA, every root of a trust domain under the same subject `O=<td>`, `keyCertSign`
 * only, no SPIFFE ID on CAs; leaves two minutes backdated (X509-10, X509-12, X509-14, X509-17).
 */
export const istioCertificateProfile: CertificateProfile = {
  caKey: 'RSA-2048',
  leafKey: 'RSA-2048',
  rootSubject: (trustDomain) => `O=${trustDomain}`,
  intermediateSubject: (trustDomain) => `O=${trustDomain},CN=istiod`,
  caKeyUsage: ['keyCertSign'],
  leafKeyUsage: ['digitalSignature', 'keyEncipherment'],
  caCarriesSpiffeId: false,
  crossSigns: false,
  backdateMs: 120_000,
};
