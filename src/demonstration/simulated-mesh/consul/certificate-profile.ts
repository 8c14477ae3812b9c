import type { CertificateProfile } from '../certificate-profile.ts';

/**
 * Consul's built-in CA: EC P-256, a separate subject for each root, `digitalSignature` next to the
 * CA bits, the trust domain's ID on CAs (X509-16, X509-17), and the new root cross-signed by the
 * old one.
 *
 * Leaves carry only the URI SAN. In the product DNS SANs appear on the leaves of agents, of servers
 * and of API gateways, and on a service's only on request (`agent/leafcert/generate.go`). A leaf
 * without them also passes the narrowed anchor of the Istio side, which permits no DNS name that
 * can exist.
 */
export const consulCertificateProfile: CertificateProfile = {
  caKey: 'P-256',
  leafKey: 'P-256',
  rootSubject: (trustDomain, mark) => `CN=pri-${mark}.consul.ca.${trustDomain.slice(0, 8)}.consul`,
  intermediateSubject: (trustDomain, mark) => `CN=sec-${mark}.consul.ca.${trustDomain.slice(0, 8)}.consul`,
  caKeyUsage: ['digitalSignature', 'keyCertSign', 'cRLSign'],
  leafKeyUsage: ['digitalSignature', 'keyEncipherment', 'dataEncipherment', 'keyAgreement'],
  caCarriesSpiffeId: true,
  crossSigns: true,
  backdateMs: 60_000,
};
