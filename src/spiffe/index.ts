export { keyNamesOfAuthority } from './authority-key.ts';
export { jwkText, serializeBundle, parseBundle } from './bundle-document.ts';
export { bundlesEqual, contentDigest, diffBundles } from './bundle-diff.ts';
export { BundleError } from './bundle-error.ts';
export { bundleOf, portableAuthorityFromDer, x509AuthorityFromDer } from './bundle-from-certificates.ts';
export { parseBundleMap, serializeBundleMap } from './bundle-map.ts';
export { defaultBundleLimits } from './bundle-reader.ts';
export { BundleSet } from './bundle-set.ts';
export { CodedError } from '../errors/index.ts';
export { currentPart, currentRoots } from './current-roots.ts';
export { certificatesFromDer } from './der-certificates.ts';
export { parseEndpointUrl, RelationshipError } from './federation-relationship.ts';
export { readingProblem } from './interoperable-authority.ts';
export { verifyJwtSvid } from './jwt-svid.ts';
export { JwtSvidError } from './jwt-svid-error.ts';
export { trustDomainsNamedBy } from './named-trust-domains.ts';
export {
  createNarrowedAnchor,
  isDnsNarrowedAnchor,
  isNarrowedAnchor,
  standsFor,
  trustDomainOfDnsAnchor,
} from './narrowed-anchor.ts';
export { createNobodysRoot } from './nobodys-root.ts';
export { certificatesFromPem, PemError, pemFromCertificates } from './pem.ts';
export { bundleMatchesPin, isKeyPinned, matchPin, PinError, parsePin, pinOfBundle, pinOfKey } from './pin.ts';
export { MAX_STATEMENT_CHARACTERS, signStatement, verifyStatement } from './signed-statement.ts';
export { StatementError } from './signed-statement-error.ts';
export {
  isSpiffeId,
  MAX_SPIFFE_ID_BYTES,
  parseSpiffeId,
  pathOf,
  SpiffeIdError,
  spiffeIdOf,
  trustDomainOf,
} from './spiffe-id.ts';
export { JsonError, JsonNumber, parseStrictJson } from './strict-json.ts';
export { isTrustDomain, parseTrustDomain, TrustDomainError } from './trust-domain.ts';
export { CertificateError, parseCertificate } from './x509-certificate.ts';
export { EXTENDED_KEY_USAGE_OIDS } from './x509-extensions.ts';
export { generateKeyPair, issueCertificate } from './x509-issue.ts';
export { verifyX509Path } from './x509-path.ts';
export { X509PathError } from './x509-path-error.ts';
export { defaultPathLimits } from './x509-path-search.ts';
export { parseLeafIdentity, verifyX509Svid, X509SvidError } from './x509-svid.ts';

export type { BundleSource, JwtAuthority, TrustBundle, X509Authority } from './bundle.ts';
export type { BundleDiff } from './bundle-diff.ts';
export type { ParsedBundle } from './bundle-document.ts';
export type { BundleErrorCode } from './bundle-error.ts';
export type { BundleNote, BundleNoteCode } from './bundle-note.ts';
export type { BundleLimits, BundleReading } from './bundle-reader.ts';
export type { EndpointProfile, RelationshipErrorCode } from './federation-relationship.ts';
export type { JwsAlgorithm } from './jws-algorithm.ts';
export type { JwtSvid, JwtSvidOptions } from './jwt-svid.ts';
export type { JwtSvidErrorCode } from './jwt-svid-error.ts';
export type { AnchorIdentities } from './narrowed-anchor.ts';
export type { PemErrorCode } from './pem.ts';
export type { Pin } from './pin.ts';
export type {
  Statement,
  StatementOptions,
  StatementRequest,
  StatementSigner,
  StatementType,
} from './signed-statement.ts';
export type { StatementErrorCode } from './signed-statement-error.ts';
export type { SpiffeId, SpiffeIdErrorCode } from './spiffe-id.ts';
export type { JsonErrorCode, JsonLimits, JsonObject, JsonValue } from './strict-json.ts';
export type { TrustDomain, TrustDomainErrorCode } from './trust-domain.ts';
export type { Certificate, CertificateErrorCode, SubjectAltNames } from './x509-certificate.ts';
export type { KeyUsageName } from './x509-extensions.ts';
export type { IssueRequest, KeyKind, KeyPair } from './x509-issue.ts';
export type { ExtensionRequest, NameConstraintsRequest } from './x509-issue-extensions.ts';
export type { PathInput, VerifiedPath } from './x509-path.ts';
export type { CertificateReference, X509PathErrorCode } from './x509-path-error.ts';
export type { PathLimits } from './x509-path-search.ts';
export type { PolicySettings } from './x509-policy.ts';
export type { X509Svid, X509SvidErrorCode, X509SvidOptions, X509SvidWarning } from './x509-svid.ts';
