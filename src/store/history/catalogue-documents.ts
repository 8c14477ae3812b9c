import type { Database } from 'better-sqlite3';
import { catalogueDigest } from '../model/catalogue-version.ts';
import type { Finding } from './history-finding.ts';

/**
 * Compares the content of each catalogue with the digest that names it. Because the chain commits to
 * digests only, changed content would be seen nowhere else.
 */
export function catalogueFindings(database: Database): Finding[] {
  const documents = database.prepare<[], { readonly digest: string; readonly content: string }>(
    'SELECT digest, content FROM catalogue_document ORDER BY digest',
  );
  const findings: Finding[] = [];
  for (const { digest, content } of documents.iterate()) {
    if (catalogueDigest(content) === digest) continue;
    findings.push({
      code: 'row-changed',
      row: `catalogue_document ${digest}`,
      message: `the content of the catalogue ${digest} is not what its digest names`,
    });
  }
  return findings;
}
