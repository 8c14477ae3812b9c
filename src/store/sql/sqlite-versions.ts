import type { Database } from 'better-sqlite3';
import { defined, given } from '../../objects/index.ts';
import { contentDigest, parseTrustDomain, serializeBundle, type TrustDomain } from '../../spiffe/index.ts';
import {
  type AuthorityRef,
  type BundleVersion,
  cleanVersion,
  type NewVersion,
  type VersionVerdict,
} from '../model/bundle-version.ts';
import { checkPage } from '../model/arguments.ts';
import { documentParts } from '../model/document-parts.ts';
import { rolledBack } from '../model/errors.ts';
import { formerAfter, heldKeysAfter, keptSequence, type PriorTrust } from '../model/prior-trust.ts';
import { versionRow } from '../model/history-rows.ts';
import type { AddLink } from './sqlite-chain.ts';
import { createPriorTrustTables } from './sqlite-prior-trust.ts';
import { readStoredDocument } from './stored-document.ts';
import { createKeyTable } from './sqlite-keys.ts';
import type { Replacement } from '../model/store.ts';
import { authorityRefs, byFingerprint, changeBetween } from '../model/version-change.ts';
import type { VersionLine, VersionMark } from '../model/version-mark.ts';

interface LineRow {
  readonly trust_domain: string;
  readonly number: number;
  readonly received_at: string;
  readonly verdict: VersionVerdict;
  readonly origin: string;
  readonly proved_by: string | null;
  readonly digest: string;
  readonly sequence: string | null;
}

interface VersionRow extends LineRow {
  readonly document: string;
}

interface CurrentRow extends VersionRow {
  readonly held_sequence: string | null;
}

interface MarkRow {
  readonly number: number;
  readonly digest: string;
  readonly received_at: string;
  readonly origin: string;
  readonly sequence: string | null;
}

interface PointerRow {
  readonly number: number;
  readonly sequence: string | null;
  readonly digest: string;
}

/** Which version is the current one, without its content. */
interface CurrentPointer {
  readonly number: number;
  readonly sequence: bigint | null;
  readonly digest: string;
}

interface LinkRow {
  readonly fingerprint: string;
  readonly change: 'added' | 'kept' | 'removed';
}

interface VersionPage {
  readonly limit?: number;
  readonly before?: number;
}

type InsertedVersion = Omit<ReturnType<typeof versionRow>, 'document'> & {
  readonly document_head: string;
  readonly keys_id: number | bigint;
};

const COLUMNS =
  'v.trust_domain, v.number, v.received_at, v.verdict, v.origin, v.proved_by, v.digest, v.sequence, v.document_head || k.content AS document';
const KEYS_JOIN = 'JOIN bundle_keys AS k ON k.id = v.keys_id';

/** The versions and what is current, in SQL. Call writing methods inside a transaction. */
export function createVersionTables(database: Database, addLink: AddLink) {
  const selectCurrent = database.prepare<[string], CurrentRow>(
    `SELECT ${COLUMNS}, c.sequence AS held_sequence FROM current_bundle AS c
     JOIN bundle_version AS v USING (trust_domain, number) ${KEYS_JOIN} WHERE c.trust_domain = ?`,
  );
  const selectAllCurrent = database.prepare<[], CurrentRow>(
    `SELECT ${COLUMNS}, c.sequence AS held_sequence FROM current_bundle AS c
     JOIN bundle_version AS v USING (trust_domain, number) ${KEYS_JOIN} ORDER BY c.trust_domain`,
  );
  const selectHistory = database.prepare<[string, number, number], VersionRow>(
    `SELECT ${COLUMNS} FROM bundle_version AS v ${KEYS_JOIN} WHERE v.trust_domain = ? AND v.number < ?
     ORDER BY v.number DESC LIMIT ?`,
  );
  const selectAt = database.prepare<{ name: string; at: string }, VersionRow>(
    `SELECT ${COLUMNS} FROM bundle_version AS v ${KEYS_JOIN}
     WHERE v.trust_domain = $name AND v.number = (
         SELECT max(number) FROM bundle_version WHERE trust_domain = $name AND received_at <= $at)
       AND NOT EXISTS (SELECT 1 FROM event AS e
         WHERE e.trust_domain = $name AND e.kind = 'relationship-removed' AND e.version_number = v.number AND e.at <= $at)`,
  );
  const selectLines = database.prepare<[string, number, number], LineRow>(
    `SELECT trust_domain, number, received_at, verdict, origin, proved_by, digest, sequence FROM bundle_version
     WHERE trust_domain = ? AND number < ? ORDER BY number DESC LIMIT ?`,
  );
  const selectMarks = database.prepare<[string, number, number], MarkRow>(
    `SELECT number, digest, received_at, origin, sequence FROM bundle_version
     WHERE trust_domain = ? AND number < ? ORDER BY number DESC LIMIT ?`,
  );
  const selectCurrentMark = database.prepare<[string], MarkRow>(
    `SELECT v.number, v.digest, v.received_at, v.origin, c.sequence FROM current_bundle AS c
     JOIN bundle_version AS v USING (trust_domain, number) WHERE c.trust_domain = ?`,
  );
  // Two plain statements, because SQLite plans a join or an ORDER BY with parameters again each
  // time it runs, at ten times the cost.
  const selectLinks = database.prepare<[string, number], LinkRow>(
    'SELECT fingerprint, change FROM bundle_version_authority WHERE trust_domain = ? AND number = ?',
  );
  const selectKey = database.prepare<[string, string], AuthorityRef>(
    'SELECT kind, fingerprint, label FROM authority_key WHERE trust_domain = ? AND fingerprint = ?',
  );
  const selectDigest = database
    .prepare<[string, string], number>('SELECT 1 FROM bundle_version WHERE trust_domain = ? AND digest = ?')
    .pluck();
  const selectNames = database
    .prepare<[], string>('SELECT DISTINCT trust_domain FROM bundle_version')
    .pluck();
  const selectLastNumber = database
    .prepare<[string], number>('SELECT coalesce(max(number), 0) FROM bundle_version WHERE trust_domain = ?')
    .pluck();
  const insertVersion = database.prepare<[InsertedVersion]>(
    `INSERT INTO bundle_version (trust_domain, number, received_at, sequence, verdict, origin, proved_by, digest,
       document_head, keys_id)
     VALUES ($trust_domain, $number, $received_at, $sequence, $verdict, $origin, $proved_by, $digest,
       $document_head, $keys_id)`,
  );
  const selectKeysId = database
    .prepare<[string, string], number>('SELECT id FROM bundle_keys WHERE digest = ? AND content = ?')
    .pluck();
  const insertKeys = database.prepare<[string, string]>(
    'INSERT INTO bundle_keys (digest, content) VALUES (?, ?)',
  );
  const insertLink = database.prepare<[string, number, string, string]>(
    'INSERT INTO bundle_version_authority (trust_domain, number, fingerprint, change) VALUES (?, ?, ?, ?)',
  );
  const selectPointer = database.prepare<[string], PointerRow>(
    'SELECT number, sequence, digest FROM current_bundle WHERE trust_domain = ?',
  );
  const insertPointer = database.prepare<[string, number, string | null, string]>(
    'INSERT INTO current_bundle (trust_domain, number, sequence, digest) VALUES (?, ?, ?, ?)',
  );
  const updatePointer = database.prepare<[number, string | null, string, string, number, string]>(
    `UPDATE current_bundle SET number = ?, sequence = ?, digest = ?
     WHERE trust_domain = ? AND number = ? AND digest = ?`,
  );
  const updateSequence = database.prepare<[string, string]>(
    'UPDATE current_bundle SET sequence = ? WHERE trust_domain = ?',
  );
  const deletePointer = database.prepare<[string]>('DELETE FROM current_bundle WHERE trust_domain = ?');

  const keys = createKeyTable(database);
  const priorTrust = createPriorTrustTables(database);

  const refsOf = (
    trustDomain: string,
    number: number,
    changes: readonly LinkRow['change'][],
  ): AuthorityRef[] =>
    selectLinks
      .all(trustDomain, number)
      .filter((link) => changes.includes(link.change))
      .flatMap(({ fingerprint }) => selectKey.get(trustDomain, fingerprint) ?? [])
      .sort(byFingerprint);
  const lineOfRow = (row: LineRow): Omit<BundleVersion, 'bundle' | 'document'> => {
    const trustDomain = parseTrustDomain(row.trust_domain);
    return {
      trustDomain,
      number: row.number,
      digest: row.digest,
      receivedAt: new Date(row.received_at),
      verdict: row.verdict,
      origin: row.origin,
      ...defined({ provedBy: row.proved_by ?? undefined }),
      diff: {
        added: refsOf(trustDomain, row.number, ['added']),
        removed: refsOf(trustDomain, row.number, ['removed']),
        kept: refsOf(trustDomain, row.number, ['kept']),
      },
    };
  };
  const versionOf = (row: VersionRow): BundleVersion => {
    const line = lineOfRow(row);
    const document = Buffer.from(row.document);
    const which = nameOf(line.trustDomain, row.number);
    return {
      ...line,
      bundle: readStoredDocument(line.trustDomain, document, which, row.digest),
      document: new Uint8Array(document),
    };
  };
  const currentOf = (row: CurrentRow): BundleVersion => {
    const version = versionOf(row);
    if (row.held_sequence === null) return version;
    return { ...version, bundle: { ...version.bundle, sequence: BigInt(row.held_sequence) } };
  };
  const pointer = (trustDomain: TrustDomain): CurrentPointer | undefined => {
    const row = selectPointer.get(trustDomain);
    return row && { ...row, sequence: row.sequence === null ? null : BigInt(row.sequence) };
  };

  return {
    reads: {
      current: (trustDomain: TrustDomain): BundleVersion | undefined =>
        given(selectCurrent.get(trustDomain), currentOf),
      currentAll: (): BundleVersion[] => selectAllCurrent.all().map(currentOf),
      /** What the next offer is to be judged by. */
      priorTrust: (trustDomain: TrustDomain): PriorTrust => priorTrust.get(trustDomain),
      history(trustDomain: TrustDomain, page: VersionPage = {}): BundleVersion[] {
        const { limit, before } = checkPage(page);
        return selectHistory.all(trustDomain, before, limit).map(versionOf);
      },
      versionLines(trustDomain: TrustDomain, page: VersionPage = {}): VersionLine[] {
        const { limit, before } = checkPage(page);
        return selectLines.all(trustDomain, before, limit).map((row) => ({
          ...lineOfRow(row),
          ...defined({ sequence: given(row.sequence, BigInt) }),
        }));
      },
      bundleAt: (trustDomain: TrustDomain, instant: Date): BundleVersion | undefined =>
        given(selectAt.get({ name: trustDomain, at: instant.toISOString() }), versionOf),
      versionMarks(trustDomain: TrustDomain, page: VersionPage = {}): VersionMark[] {
        const { limit, before } = checkPage(page);
        return selectMarks.all(trustDomain, before, limit).map(markOfRow);
      },
      currentMark: (trustDomain: TrustDomain): VersionMark | undefined =>
        given(selectCurrentMark.get(trustDomain), markOfRow),
      everHeld: (trustDomain: TrustDomain, digest: string): boolean =>
        selectDigest.get(trustDomain, digest) !== undefined,
    },
    /** Every trust domain that ever had a version. */
    names: (): TrustDomain[] => selectNames.all().map((name) => parseTrustDomain(name)),
    pointer,

    /**
     * Adds a version and makes it current in place of `held`, which `pointer` gave in the same
     * transaction. Throws `StoreError` `sequence-rolled-back`, decided by the database itself.
     */
    append(
      offered: NewVersion,
      held: CurrentPointer | undefined,
      {
        keepsSequence,
        unusable = false,
        leaptFrom,
      }: Pick<Replacement, 'keepsSequence' | 'unusable' | 'leaptFrom'> = {},
    ): BundleVersion {
      const version = cleanVersion(offered);
      const { bundle } = version;
      const { trustDomain } = bundle;
      // The held version is always the newest. Only a trust domain without one must look up its
      // last number.
      const number = (held?.number ?? selectLastNumber.get(trustDomain) ?? 0) + 1;
      const digest = contentDigest(bundle);
      const document = new Uint8Array(serializeBundle(bundle));
      const before = held ? refsOf(trustDomain, held.number, ['added', 'kept']) : [];
      const diff = changeBetween(before, authorityRefs(bundle));
      const row = versionRow({ ...version, trustDomain, number, digest, document });
      let id: number | bigint;
      try {
        const { document: text, ...others } = row;
        const { head, keys: content } = documentParts(text);
        const keys_id = selectKeysId.get(digest, content) ?? insertKeys.run(digest, content).lastInsertRowid;
        ({ lastInsertRowid: id } = insertVersion.run({ ...others, document_head: head, keys_id }));
      } catch (error) {
        const back = error instanceof Error && error.message === 'sequence-rolled-back';
        throw back ? rolledBack(trustDomain, bundle.sequence ?? 0n, held?.sequence ?? 0n) : error;
      }
      // A document that could not be read later must not become current. If it holds a new key, it
      // is read back at once.
      if (keys.remember(bundle, row.received_at) > 0)
        readStoredDocument(trustDomain, document, nameOf(trustDomain, number), digest);
      for (const change of ['added', 'kept', 'removed'] as const)
        for (const { fingerprint } of diff[change]) insertLink.run(trustDomain, number, fingerprint, change);
      addLink('bundle_version', id, row);
      const counts = keepsSequence
        ? keptSequence(held?.sequence ?? undefined, bundle.sequence, keepsSequence)
        : bundle.sequence;
      const text = counts?.toString() ?? null;
      const { changes } = held
        ? updatePointer.run(number, text, digest, trustDomain, held.number, held.digest)
        : insertPointer.run(trustDomain, number, text, digest);
      if (changes !== 1) throw new TypeError('unreachable: the pointer was read in this very transaction');
      if (version.verdict !== 'own') {
        const before: PriorTrust = held ? priorTrust.get(trustDomain) : { keys: [] };
        priorTrust.replace(trustDomain, {
          keys: heldKeysAfter(before.keys, version, unusable),
          ...defined({ anchor: counts }),
          ...formerAfter(before.former, version, leaptFrom),
        });
      }
      const counted =
        counts === bundle.sequence || counts === undefined ? bundle : { ...bundle, sequence: counts };
      return { ...version, bundle: counted, trustDomain, number, digest, document, diff };
    },

    /** Raises the held sequence to `sequence` if that is higher. */
    raiseSequence(trustDomain: TrustDomain, sequence: bigint | undefined): void {
      const held = pointer(trustDomain);
      if (held && sequence !== undefined && sequence > (held.sequence ?? -1n))
        updateSequence.run(sequence.toString(), trustDomain);
    },

    /** Ends the trust: nothing is current any more. The history stays. */
    forgetCurrent(trustDomain: TrustDomain): void {
      deletePointer.run(trustDomain);
      priorTrust.forget(trustDomain);
    },
  };
}

function nameOf(trustDomain: TrustDomain, number: number): string {
  return `version ${number} of ${trustDomain}`;
}

function markOfRow({ number, digest, received_at: at, origin, sequence }: MarkRow): VersionMark {
  const held = defined({ sequence: given(sequence, BigInt) });
  return { number, digest, receivedAt: new Date(at), origin, ...held };
}
