import { printable } from '../../platform/index.ts';
import type { Database } from 'better-sqlite3';
import { pemFromCertificates, type TrustBundle } from '../../spiffe/index.ts';
import { authorityRefs, jwtFingerprint } from '../model/version-change.ts';

const MAX_NAME_CHARACTERS = 1000;

/** A row of the table of keys. */
export interface KeyRow {
  readonly trust_domain: string;
  readonly fingerprint: string;
  readonly kind: 'x509' | 'jwt';
  readonly label: string;
  readonly subject: string | null;
  readonly key_fingerprint: string | null;
  readonly not_before: string | null;
  readonly not_after: string | null;
  readonly pem: string | null;
  readonly key_id: string | null;
  readonly jwk: string | null;
  readonly first_seen_at: string;
}

/** The keys of a bundle as rows, first seen `at`. */
export function* keyRows(bundle: TrustBundle, at: string): Generator<KeyRow> {
  const { trustDomain } = bundle;
  const labels = new Map(authorityRefs(bundle).map((ref) => [ref.fingerprint, ref.label]));
  for (const { fingerprint, subject, keyFingerprint, notBefore, notAfter, der } of bundle.x509Authorities) {
    yield {
      trust_domain: trustDomain,
      fingerprint,
      kind: 'x509',
      label: labels.get(fingerprint) ?? '',
      subject: printable(subject, MAX_NAME_CHARACTERS),
      key_fingerprint: keyFingerprint,
      not_before: notBefore.toISOString(),
      not_after: notAfter.toISOString(),
      pem: pemFromCertificates([der]),
      key_id: null,
      jwk: null,
      first_seen_at: at,
    };
  }
  for (const authority of bundle.jwtAuthorities) {
    const fingerprint = jwtFingerprint(authority);
    yield {
      trust_domain: trustDomain,
      fingerprint,
      kind: 'jwt',
      label: labels.get(fingerprint) ?? '',
      subject: null,
      key_fingerprint: null,
      not_before: null,
      not_after: null,
      pem: null,
      key_id: printable(authority.keyId, MAX_NAME_CHARACTERS),
      jwk: JSON.stringify(authority.jwk),
      first_seen_at: at,
    };
  }
}

/** Every key that was ever in a bundle, in SQL. */
export function createKeyTable(database: Database) {
  const selectKey = database
    .prepare<[string, string], number>(
      'SELECT 1 FROM authority_key WHERE trust_domain = ? AND fingerprint = ?',
    )
    .pluck();
  const insertKey = database.prepare<[KeyRow]>(
    `INSERT INTO authority_key (trust_domain, fingerprint, kind, label, subject, key_fingerprint, not_before, not_after,
       pem, key_id, jwk, first_seen_at)
     VALUES ($trust_domain, $fingerprint, $kind, $label, $subject, $key_fingerprint, $not_before, $not_after,
       $pem, $key_id, $jwk, $first_seen_at)`,
  );

  return {
    /** Stores the keys of `bundle` that are new, as first seen `at`. Returns their number. */
    remember(bundle: TrustBundle, at: string): number {
      const { trustDomain } = bundle;
      const isNew = (fingerprint: string) => selectKey.get(trustDomain, fingerprint) === undefined;
      const x509Authorities = bundle.x509Authorities.filter(({ fingerprint }) => isNew(fingerprint));
      const jwtAuthorities = bundle.jwtAuthorities.filter((authority) => isNew(jwtFingerprint(authority)));
      let news = 0;
      for (const row of keyRows({ trustDomain, x509Authorities, jwtAuthorities }, at)) {
        insertKey.run(row);
        news += 1;
      }
      return news;
    },
  };
}
