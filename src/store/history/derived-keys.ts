import type { Database } from 'better-sqlite3';
import {
  certificatesFromPem,
  isTrustDomain,
  parseCertificate,
  type TrustBundle,
} from '../../spiffe/index.ts';
import type { AuthorityRef } from '../model/bundle-version.ts';
import type { Finding } from './history-finding.ts';
import { type KeyRow, keyRows } from '../sql/sqlite-keys.ts';
import { readStoredDocument } from '../sql/stored-document.ts';
import { authorityRefs, changeBetween } from '../model/version-change.ts';

interface VersionRow {
  readonly trust_domain: string;
  readonly number: number;
  readonly received_at: string;
  readonly digest: string;
  readonly document: string;
  readonly sequence: string | null;
  /** Whether the trust ended with this version. */
  readonly ended: 0 | 1;
}

/**
 * Compares the key tables with the bundles. Because the tables repeat for people what the bundles
 * hold, rebuilding them from the bundles must give the same rows. Each bundle must also match its
 * digest and sequence.
 */
export function derivedKeyFindings(database: Database): Finding[] {
  const selectLinks = database.prepare<[string, number], { fingerprint: string; change: string }>(
    'SELECT fingerprint, change FROM bundle_version_authority WHERE trust_domain = ? AND number = ? ORDER BY 1',
  );
  const selectKeys = database.prepare<[string], KeyRow>(
    `SELECT trust_domain, fingerprint, kind, label, subject, key_fingerprint, not_before, not_after, pem, key_id, jwk,
       first_seen_at FROM authority_key WHERE trust_domain = ? ORDER BY fingerprint`,
  );
  const versions = database.prepare<[], VersionRow>(
    `SELECT v.trust_domain, v.number, v.received_at, v.digest, v.document_head || k.content AS document, v.sequence,
       EXISTS (SELECT 1 FROM event AS e WHERE e.trust_domain = v.trust_domain
         AND e.kind = 'relationship-removed' AND e.version_number = v.number) AS ended
     FROM bundle_version AS v JOIN bundle_keys AS k ON k.id = v.keys_id ORDER BY v.trust_domain, v.number`,
  );
  const findings: Finding[] = [];
  let name: string | undefined;
  let before: readonly AuthorityRef[] = [];
  let keys = new Map<string, KeyRow>();
  const closeTrustDomain = () => {
    if (name !== undefined) findings.push(...keyFindings(name, keys, selectKeys.all(name)));
  };
  for (const row of versions.all()) {
    if (row.trust_domain !== name) {
      closeTrustDomain();
      [name, before, keys] = [row.trust_domain, [], new Map()];
    }
    const which = `version ${row.number} of ${row.trust_domain}`;
    const bundle = readBundle(row, which);
    if (typeof bundle === 'string') {
      findings.push({ code: 'key-wrong', row: which, message: bundle });
      before = [];
      continue;
    }
    for (const key of keyRows(bundle, row.received_at))
      if (!keys.has(key.fingerprint)) keys.set(key.fingerprint, key);
    const now = authorityRefs(bundle);
    const diff = changeBetween(before, now);
    const should = (['added', 'removed', 'kept'] as const)
      .flatMap((change) => diff[change].map(({ fingerprint }) => ({ fingerprint, change })))
      .sort((a, b) => (a.fingerprint < b.fingerprint ? -1 : 1));
    if (JSON.stringify(should) !== JSON.stringify(selectLinks.all(row.trust_domain, row.number)))
      findings.push({
        code: 'key-wrong',
        row: which,
        message: `the keys that bundle_version_authority gives ${which} are not those of its bundle`,
      });
    before = row.ended === 1 ? [] : now;
  }
  closeTrustDomain();
  return [...findings, ...strayFindings(database)];
}

function readBundle(row: VersionRow, which: string): TrustBundle | string {
  const { trust_domain: name, document, digest, sequence } = row;
  if (!isTrustDomain(name)) return `${which}: the name is not a trust domain`;
  try {
    const bundle = readStoredDocument(name, Buffer.from(document), which, digest);
    if ((bundle.sequence?.toString() ?? null) === sequence) return bundle;
    return `the sequence of ${which} is not that of its bundle`;
  } catch (error) {
    return error instanceof Error ? error.message : `${which} cannot be read`;
  }
}

function keyFindings(name: string, should: ReadonlyMap<string, KeyRow>, are: readonly KeyRow[]): Finding[] {
  const finding = (fingerprint: string, message: string): Finding => {
    const row = `authority_key ${fingerprint.slice(0, 6)} of ${name}`;
    return { code: 'key-wrong', row, message: `${row} ${message}` };
  };
  const rows = new Map(are.map((row) => [row.fingerprint, row]));
  return [
    ...[...should].flatMap(([fingerprint, key]) => {
      const row = rows.get(fingerprint);
      if (!row) return [finding(fingerprint, 'is gone, though a bundle holds it')];
      const columns = Object.keys(key) as (keyof KeyRow)[];
      const wrong = columns.filter((column) =>
        column === 'jwk'
          ? !sameJwk(row.jwk, key.jwk)
          : row[column] !== key[column] && !(column === 'key_fingerprint' && namesKey(row, key)),
      );
      return wrong.length === 0
        ? []
        : [finding(fingerprint, `is not the key of the bundle in ${wrong.join(', ')}`)];
    }),
    ...are
      .filter(({ fingerprint }) => !should.has(fingerprint))
      .map(({ fingerprint }) => finding(fingerprint, 'was in no bundle')),
  ];
}

/**
 * A row may name its key by the digest of another encoding. Older versions of Federate named keys
 * that way.
 */
function namesKey({ key_fingerprint: written }: KeyRow, { pem }: KeyRow): boolean {
  const [der] = pem === null ? [] : certificatesFromPem(pem);
  return der !== undefined && written !== null && parseCertificate(der).keyNames.includes(written);
}

/** The members of a key have no order: the table has the peer's, the canonical document its own. */
function sameJwk(a: string | null, b: string | null): boolean {
  if (a === null || b === null) return a === b;
  const membersOf = (text: string) =>
    JSON.stringify(Object.entries(JSON.parse(text)).sort(([one], [other]) => (one < other ? -1 : 1)));
  try {
    return membersOf(a) === membersOf(b);
  } catch {
    // A doctored value need not be JSON.
    return false;
  }
}

/** Finds keys of trust domains and versions that do not exist. */
function strayFindings(database: Database): Finding[] {
  const keys = database
    .prepare<[], string>(
      `SELECT DISTINCT trust_domain FROM authority_key
       WHERE trust_domain NOT IN (SELECT trust_domain FROM bundle_version) ORDER BY 1`,
    )
    .pluck()
    .all()
    .map((name) => `authority_key has keys of ${name}, which has no version`);
  const links = database
    .prepare<[], string>(
      `SELECT DISTINCT 'version ' || number || ' of ' || trust_domain FROM bundle_version_authority AS a
       WHERE NOT EXISTS (SELECT 1 FROM bundle_version AS v WHERE v.trust_domain = a.trust_domain AND v.number = a.number)
       ORDER BY 1`,
    )
    .pluck()
    .all()
    .map((which) => `bundle_version_authority has keys of ${which}, which does not exist`);
  return [...keys, ...links].map((message) => ({ code: 'key-wrong', message }));
}
