import type { Database } from 'better-sqlite3';
import { defined } from '../../objects/index.ts';
import { parseTrustDomain, type TrustDomain } from '../../spiffe/index.ts';
import {
  type CatalogueContent,
  catalogueDigest,
  type CatalogueDirection,
  type CatalogueNotHeld,
  type CatalogueVersion,
  type HeldCatalogue,
  NOT_HELD_IN_WINDOW,
  NOT_HELD_WINDOW_MS,
} from '../model/catalogue-version.ts';
import { checkPage } from '../model/arguments.ts';
import { rolledBack } from '../model/errors.ts';
import type { NewEvent } from '../model/event.ts';
import { catalogueRow } from '../model/history-rows.ts';
import { cleanReason } from '../model/relationship.ts';
import type { AddLink } from './sqlite-chain.ts';

interface HeldRow {
  readonly trust_domain: string;
  readonly sequence: number;
  readonly digest: string;
  readonly document: string;
  readonly received_at: string;
  readonly expires_at: string;
}

type VersionRow = ReturnType<typeof catalogueRow> & { readonly document: string | null };

/**
 * The catalogues that were issued and received, and those that count, in SQL. Call writing methods
 * inside a transaction. `needRelationship` throws where there is none with that peer.
 */
export function createCatalogueTables(
  database: Database,
  store: {
    readonly addEvent: (event: NewEvent) => void;
    readonly addLink: AddLink;
    readonly needRelationship: (trustDomain: TrustDomain) => void;
  },
) {
  const { addEvent, addLink, needRelationship } = store;
  const selectHeld = database.prepare<[], HeldRow>('SELECT * FROM held_catalogue ORDER BY trust_domain');
  const selectHeldOf = database.prepare<[string], HeldRow>(
    'SELECT * FROM held_catalogue WHERE trust_domain = ?',
  );
  const upsertHeld = database.prepare<[HeldRow]>(
    `INSERT INTO held_catalogue (trust_domain, sequence, digest, document, received_at, expires_at)
     VALUES ($trust_domain, $sequence, $digest, $document, $received_at, $expires_at)
     ON CONFLICT DO UPDATE SET sequence = excluded.sequence, digest = excluded.digest, document = excluded.document,
       received_at = excluded.received_at, expires_at = excluded.expires_at`,
  );
  const selectVersions = database.prepare<[string, CatalogueDirection, number, number], VersionRow>(
    `SELECT v.at, v.trust_domain, v.direction, v.number, v.sequence, v.digest, v.verdict, v.reason_code, v.message,
       d.content AS document
     FROM catalogue_version AS v LEFT JOIN catalogue_document AS d ON d.digest = v.digest
     WHERE v.trust_domain = ? AND v.direction = ? AND v.number < ? ORDER BY v.number DESC LIMIT ?`,
  );
  const insertVersion = database.prepare<[ReturnType<typeof catalogueRow>]>(
    `INSERT INTO catalogue_version (at, trust_domain, direction, number, sequence, digest, verdict, reason_code, message)
     VALUES ($at, $trust_domain, $direction, $number, $sequence, $digest, $verdict, $reason_code, $message)`,
  );
  const insertDocument = database.prepare<{ readonly digest: string; readonly document: string }>(
    `INSERT INTO catalogue_document (digest, content) SELECT $digest, $document
     WHERE NOT EXISTS (SELECT 1 FROM catalogue_document WHERE digest = $digest)`,
  );
  const countNotHeld = database
    .prepare<[string, string], number>(
      `SELECT count(*) FROM catalogue_version
       WHERE trust_domain = ? AND direction = 'received' AND verdict IN ('refused', 'quarantined') AND at > ?`,
    )
    .pluck();

  const versions = (
    trustDomain: TrustDomain,
    direction: CatalogueDirection,
    before: number,
    limit: number,
  ): CatalogueVersion[] => selectVersions.all(trustDomain, direction, before, limit).map(versionOf);
  const newest = (trustDomain: TrustDomain, direction: CatalogueDirection): CatalogueVersion | undefined =>
    versions(trustDomain, direction, Number.MAX_SAFE_INTEGER, 1)[0];
  const append = (version: Omit<CatalogueVersion, 'number'>): CatalogueVersion => {
    const { trustDomain, direction, digest, document } = version;
    const number = 1 + (newest(trustDomain, direction)?.number ?? 0);
    if (digest !== undefined && document !== undefined) insertDocument.run({ digest, document });
    const added = { ...version, number };
    const row = catalogueRow(added);
    addLink('catalogue_version', insertVersion.run(row).lastInsertRowid, row);
    return added;
  };

  return {
    reads: {
      heldCatalogues: (): HeldCatalogue[] => selectHeld.all().map(heldOf),
      issuedCatalogue: (trustDomain: TrustDomain) => newest(trustDomain, 'issued'),
      catalogueVersions(
        trustDomain: TrustDomain,
        direction: CatalogueDirection,
        page: { readonly limit?: number; readonly before?: number } = {},
      ): CatalogueVersion[] {
        const { limit, before } = checkPage(page);
        return versions(trustDomain, direction, before, limit);
      },
    },
    writes: {
      issueCatalogue(
        { trustDomain, document }: Omit<CatalogueContent, 'sequence'>,
        at: Date,
        event?: NewEvent,
      ): CatalogueVersion {
        needRelationship(trustDomain);
        const before = newest(trustDomain, 'issued');
        const digest = catalogueDigest(document);
        if (before?.digest === digest) return before;
        if (event) addEvent(event);
        // By the clock at first, as for bundles: who lost a store does not count from 1 again.
        const sequence =
          before?.sequence === undefined ? Math.floor(at.getTime() / 1000) : before.sequence + 1;
        const content = { at, trustDomain, sequence, digest, document };
        return append({ ...content, direction: 'issued', verdict: 'issued' });
      },

      holdCatalogue(
        held: Omit<HeldCatalogue, 'digest'>,
        verdict: 'accepted' | 'operator',
        event: NewEvent,
      ): boolean {
        const { trustDomain, sequence, document, receivedAt, expiresAt } = held;
        needRelationship(trustDomain);
        const before = selectHeldOf.get(trustDomain);
        if (before && sequence < before.sequence)
          throw rolledBack(trustDomain, BigInt(sequence), BigInt(before.sequence), 'catalogue');
        const digest = catalogueDigest(document);
        const isNew = before?.digest !== digest;
        if (isNew) {
          const content = { at: receivedAt, trustDomain, sequence, digest, document };
          append({ ...content, direction: 'received', verdict });
          addEvent(event);
        }
        upsertHeld.run({
          trust_domain: trustDomain,
          sequence,
          digest,
          document,
          received_at: receivedAt.toISOString(),
          expires_at: expiresAt.toISOString(),
        });
        return isNew;
      },

      recordCatalogueNotHeld(catalogue: CatalogueNotHeld): boolean {
        const { at, trustDomain, verdict, sequence } = catalogue;
        const reason = cleanReason(catalogue.reason);
        const document = catalogue.verdict === 'quarantined' ? catalogue.document : undefined;
        const digest =
          catalogue.verdict === 'quarantined' ? catalogueDigest(catalogue.document) : catalogue.digest;
        const before = newest(trustDomain, 'received');
        if (before?.verdict === verdict && before.digest === digest && before.reason?.code === reason.code)
          return false;
        const since = new Date(at.getTime() - NOT_HELD_WINDOW_MS).toISOString();
        if ((countNotHeld.get(trustDomain, since) ?? 0) >= NOT_HELD_IN_WINDOW) return false;
        const what = { at, trustDomain, direction: 'received', verdict, reason } as const;
        append({ ...what, ...defined({ sequence, digest, document }) });
        return true;
      },
    },
  };
}

function versionOf(row: VersionRow): CatalogueVersion {
  const { at, trust_domain: name, direction, number, verdict, reason_code: code, message } = row;
  return {
    at: new Date(at),
    trustDomain: parseTrustDomain(name),
    direction,
    number,
    verdict,
    ...defined({
      sequence: row.sequence ?? undefined,
      digest: row.digest ?? undefined,
      document: row.document ?? undefined,
    }),
    ...(code === null || message === null ? {} : { reason: { code, message } }),
  };
}

function heldOf(row: HeldRow): HeldCatalogue {
  return {
    trustDomain: parseTrustDomain(row.trust_domain),
    sequence: row.sequence,
    digest: row.digest,
    document: row.document,
    receivedAt: new Date(row.received_at),
    expiresAt: new Date(row.expires_at),
  };
}
