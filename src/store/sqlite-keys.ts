import type { Database } from 'better-sqlite3';
import { pemFromCertificates, type TrustBundle } from '../spiffe/index.ts';
import { printable } from './printable.ts';
import { authorityRefs, jwtFingerprint } from './version-change.ts';

const MAX_NAME_CHARACTERS = 1000;

/** Every key that was ever in a bundle, in SQL. */
export function createKeyTable(database: Database) {
  const selectKey = database
    .prepare<[string, string], number>(
      'SELECT 1 FROM authority_key WHERE trust_domain = ? AND fingerprint = ?',
    )
    .pluck();
  const insertX509Key = database.prepare<
    [string, string, string, string, string, string, string, string, string]
  >(
    `INSERT INTO authority_key (trust_domain, fingerprint, kind, label, subject, key_fingerprint, not_before, not_after,
       pem, first_seen_at) VALUES (?, ?, 'x509', ?, ?, ?, ?, ?, ?, ?)`,
  );
  const insertJwtKey = database.prepare<[string, string, string, string, string, string]>(
    `INSERT INTO authority_key (trust_domain, fingerprint, kind, label, key_id, jwk, first_seen_at)
     VALUES (?, ?, 'jwt', ?, ?, ?, ?)`,
  );

  return {
    /** Writes down the keys of `bundle` that were never seen before, as first seen `at`; their number. */
    remember(bundle: TrustBundle, at: string): number {
      let news = 0;
      const labels = new Map(authorityRefs(bundle).map((ref) => [ref.fingerprint, ref.label]));
      const { trustDomain } = bundle;
      for (const {
        fingerprint,
        subject,
        keyFingerprint,
        notBefore,
        notAfter,
        der,
      } of bundle.x509Authorities) {
        if (selectKey.get(trustDomain, fingerprint)) continue;
        news += 1;
        insertX509Key.run(
          trustDomain,
          fingerprint,
          labels.get(fingerprint) ?? '',
          printable(subject, MAX_NAME_CHARACTERS),
          keyFingerprint,
          notBefore.toISOString(),
          notAfter.toISOString(),
          pemFromCertificates([der]),
          at,
        );
      }
      for (const authority of bundle.jwtAuthorities) {
        const fingerprint = jwtFingerprint(authority);
        if (selectKey.get(trustDomain, fingerprint)) continue;
        news += 1;
        const jwk = JSON.stringify(authority.jwk);
        const keyId = printable(authority.keyId, MAX_NAME_CHARACTERS);
        insertJwtKey.run(trustDomain, fingerprint, labels.get(fingerprint) ?? '', keyId, jwk, at);
      }
      return news;
    },
  };
}
