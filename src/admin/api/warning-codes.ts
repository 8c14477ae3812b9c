/**
 * Every code of a warning, for `status`, `list`, `show`, `/healthz` and the metrics.
 * docs/operations.md says for each what it means and what to do; test/docs/warning-codes.test.ts
 * holds the two together.
 */
export const WARNING_CODES = [
  'attention-unknown',
  'store-unusable',
  'audit-behind',
  'mesh-unreachable',
  'own-svid-unusable',
  'endpoint-certificate-unusable',
  'own-roots-not-taken',
  'own-roots-unreadable',
  'endpoint-certificate-ends',
  'own-svid-ends',
  'unrecorded-trust',
  // What others found out about an endpoint or a history.
  'other-content',
  'kept-from-us',
  'kept-from-peer',
  'never-published',
  'history-taken-back',
  'own-history-doctored',
  // A peer.
  'mesh-still-trusts',
  'mesh-refused',
  'service-refused',
  'services-wait',
  'services-stale',
  'import-conflict',
  'export-service-missing',
  'export-not-served',
  'export-without-access',
  'export-waits',
  'access-rule-unfit',
  'mesh-services-unreadable',
  'services-config-unusable',
  'routes-not-written',
  'policies-not-written',
  'socket-refused',
  'offer-waits',
  'trust-stale',
  'stale-after-short',
  'needs-bootstrap',
  'no-usable-keys',
  'no-spiffe-keys',
  'no-usable-entries',
  'sequence-jumped',
  'bundle-entries-not-used',
  'peer-keys-distrusted',
  'peer-roots-end',
  'peer-roots-ended',
  'peer-dropped-us',
  'peer-flapping',
  // Our own roots.
  'own-keys-distrusted',
  'own-root-ends',
  'own-root-ended',
  'root-ends',
  'hint-too-long',
  'root-not-portable',
  'own-svid-unproven',
] as const;

export type WarningCode = (typeof WARNING_CODES)[number];

/** Whether a code is one of a warning. */
export function isWarningCode(code: string): code is WarningCode {
  return (WARNING_CODES as readonly string[]).includes(code);
}
