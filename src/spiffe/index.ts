export { keyNamesOfAuthority } from './bundle/authority-key.ts';
export { jwkText, parseBundle, parseJwkSet, serializeBundle } from './bundle/bundle-document.ts';
export { bundlesEqual, contentDigest, diffBundles } from './bundle/bundle-diff.ts';
export { BundleError } from './bundle/bundle-error.ts';
export {
  bundleOf,
  portableAuthorityFromDer,
  x509AuthorityFromDer,
} from './bundle/bundle-from-certificates.ts';
export { parseBundleMap, serializeBundleMap } from './bundle/bundle-map.ts';
export { defaultBundleLimits } from './bundle/bundle-reader.ts';
export { isSignedByOwnKey } from './bundle/self-signature.ts';
export { BundleSet } from './bundle/bundle-set.ts';
export { CodedError } from '../errors/index.ts';
export { currentPart, currentRoots } from './bundle/current-roots.ts';
export { certificatesFromDer } from './x509/der-certificates.ts';
export { parseEndpointUrl, RelationshipError } from './id/federation-relationship.ts';
export { readingProblem } from './bundle/interoperable-authority.ts';
export { readUnprovenJwtSvid, verifyJwtSvid } from './svid/jwt-svid.ts';
export { JwtSvidError } from './svid/jwt-svid-error.ts';
export { SvidError } from './svid/svid-error.ts';
export type { TokenTimes } from './svid/jwt-svid-claims.ts';
export { trustDomainsNamedBy } from './bundle/named-trust-domains.ts';
export {
  createNarrowedAnchor,
  isDnsNarrowedAnchor,
  isNarrowedAnchor,
  standsFor,
  trustDomainOfDnsAnchor,
} from './bundle/narrowed-anchor.ts';
export { createNobodysRoot } from './x509/nobodys-root.ts';
export { instantOfClaim, isDigest, isJsonObject } from './base/claims.ts';
export { certificatesFromPem, PemError, pemFromCertificates } from './base/pem.ts';
export {
  isKeyPinned,
  matchPin,
  PinError,
  parsePin,
  pinOfBundle,
  pinOfKey,
} from './bundle/pin.ts';
export { signStatement, verifyStatement } from './svid/signed-statement.ts';
export { StatementError } from './svid/signed-statement-error.ts';
export {
  isSpiffeId,
  MAX_SPIFFE_ID_BYTES,
  parseSpiffeId,
  pathOf,
  SpiffeIdError,
  spiffeIdOf,
  trustDomainOf,
} from './id/spiffe-id.ts';
export { JsonError, JsonNumber, parseStrictJson } from './base/strict-json.ts';
export { isTrustDomain, parseTrustDomain, TrustDomainError } from './id/trust-domain.ts';
export { CertificateError, parseCertificate } from './x509/certificate.ts';
export { EXTENDED_KEY_USAGE_OIDS } from './x509/extensions.ts';
export { generateKeyPair, issueCertificate } from './x509/issue.ts';
export { verifyX509Path } from './svid/x509-path.ts';
export { X509PathError } from './x509/path-error.ts';
export { parseLeafIdentity, verifyX509Svid, X509SvidError } from './svid/x509-svid.ts';

export type { BundleSource, JwtAuthority, TrustBundle, X509Authority } from './bundle/bundle.ts';
export type { BundleDiff } from './bundle/bundle-diff.ts';
export type { ParsedBundle } from './bundle/bundle-document.ts';
export type { BundleErrorCode } from './bundle/bundle-error.ts';
export type { BundleNote, BundleNoteCode } from './bundle/bundle-note.ts';
export type { BundleLimits, BundleReading } from './bundle/bundle-reader.ts';
export type { EndpointProfile } from './id/federation-relationship.ts';
export type { JwsAlgorithm } from './svid/jws-algorithm.ts';
export type { JwtSvid, JwtSvidOptions, UnprovenJwtSvid } from './svid/jwt-svid.ts';
export type { JwtSvidErrorCode } from './svid/jwt-svid-error.ts';
export type { AnchorIdentities } from './bundle/narrowed-anchor.ts';
export type { PemErrorCode } from './base/pem.ts';
export type { Pin } from './bundle/pin.ts';
export type { Statement, StatementRequest, StatementSigner, StatementType } from './svid/signed-statement.ts';
export type { SpiffeId, SpiffeIdErrorCode } from './id/spiffe-id.ts';
export type { JsonObject, JsonValue } from './base/strict-json.ts';
export type { TrustDomain, TrustDomainErrorCode } from './id/trust-domain.ts';
export type { Certificate } from './x509/certificate.ts';
export type { KeyUsageName } from './x509/extensions.ts';
export type { IssueRequest, KeyKind, KeyPair } from './x509/issue.ts';
export type { ExtensionRequest } from './x509/issue-extensions.ts';
export type { PathInput } from './svid/x509-path.ts';
export type { PathLimits } from './x509/path-search.ts';
export type { PolicySettings } from './x509/policy.ts';
export type { X509Svid, X509SvidErrorCode, X509SvidOptions, X509SvidWarning } from './svid/x509-svid.ts';
