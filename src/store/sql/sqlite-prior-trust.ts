import type { Database } from 'better-sqlite3';
import type { TrustDomain } from '../../spiffe/index.ts';
import type { HeldKey, KeyKind, PriorTrust } from '../model/prior-trust.ts';

interface HeldKeyRow {
  readonly trust_domain: string;
  readonly kind: KeyKind;
  readonly key: string;
  readonly since: string;
  readonly vouched: number;
  readonly gone_at: string | null;
  readonly known: number;
}

interface AnchorRow {
  readonly sequence: string;
  readonly former: string | null;
  readonly former_at: string | null;
}

/**
 * What offers are judged by in addition to the held bundle, in SQL. Call writing methods inside a
 * transaction.
 */
export function createPriorTrustTables(database: Database) {
  const select = database.prepare<[string], HeldKeyRow>(
    `SELECT trust_domain, kind, key, since, vouched, gone_at, known FROM held_key WHERE trust_domain = ?
     ORDER BY kind, key`,
  );
  const upsert = database.prepare<[HeldKeyRow]>(
    `INSERT INTO held_key (trust_domain, kind, key, since, vouched, gone_at, known)
     VALUES ($trust_domain, $kind, $key, $since, $vouched, $gone_at, $known)
     ON CONFLICT DO UPDATE SET since = excluded.since, vouched = excluded.vouched, gone_at = excluded.gone_at,
       known = excluded.known`,
  );
  const remove = database.prepare<[string, string, string]>(
    'DELETE FROM held_key WHERE trust_domain = ? AND kind = ? AND key = ?',
  );
  const clear = database.prepare<[string]>('DELETE FROM held_key WHERE trust_domain = ?');
  const selectAnchor = database.prepare<[string], AnchorRow>(
    'SELECT sequence, former, former_at FROM sequence_anchor WHERE trust_domain = ?',
  );
  const upsertAnchor = database.prepare<[string, string, string | null, string | null]>(
    `INSERT INTO sequence_anchor (trust_domain, sequence, former, former_at) VALUES (?, ?, ?, ?)
     ON CONFLICT DO UPDATE SET sequence = excluded.sequence, former = excluded.former, former_at = excluded.former_at`,
  );
  const clearAnchor = database.prepare<[string]>('DELETE FROM sequence_anchor WHERE trust_domain = ?');

  return {
    get(trustDomain: TrustDomain): PriorTrust {
      const row = selectAnchor.get(trustDomain);
      const keys = select.all(trustDomain).map(heldKeyOf);
      return { keys, ...(row ? anchorOf(row) : {}) };
    },
    /** Replaces the stored rows with these. An unchanged row is not written. */
    replace(trustDomain: TrustDomain, { keys, anchor, former }: PriorTrust): void {
      if (anchor === undefined) clearAnchor.run(trustDomain);
      else
        upsertAnchor.run(
          trustDomain,
          anchor.toString(),
          former?.sequence.toString() ?? null,
          former?.at.toISOString() ?? null,
        );
      const before = new Map(select.all(trustDomain).map((row) => [nameOf(row), row]));
      for (const row of keys.map((key) => rowOf(trustDomain, key))) {
        const old = before.get(nameOf(row));
        before.delete(nameOf(row));
        if (JSON.stringify(old) !== JSON.stringify(row)) upsert.run(row);
      }
      for (const { kind, key } of before.values()) remove.run(trustDomain, kind, key);
    },
    /** Forgets all of them. */
    forget(trustDomain: TrustDomain): void {
      clear.run(trustDomain);
      clearAnchor.run(trustDomain);
    },
  };
}

function anchorOf({ sequence, former, former_at: at }: AnchorRow): Omit<PriorTrust, 'keys'> {
  return {
    anchor: BigInt(sequence),
    ...(former === null || at === null ? {} : { former: { sequence: BigInt(former), at: new Date(at) } }),
  };
}

function nameOf({ kind, key }: HeldKeyRow): string {
  return `${kind} ${key}`;
}

function rowOf(trustDomain: TrustDomain, { kind, key, since, vouched, gone }: HeldKey): HeldKeyRow {
  return {
    trust_domain: trustDomain,
    kind,
    key,
    since: since.toISOString(),
    vouched: Number(vouched),
    gone_at: gone?.at.toISOString() ?? null,
    known: Number(gone?.known ?? true),
  };
}

function heldKeyOf({ kind, key, since, vouched, gone_at: goneAt, known }: HeldKeyRow): HeldKey {
  return {
    kind,
    key,
    since: new Date(since),
    vouched: vouched === 1,
    ...(goneAt === null ? {} : { gone: { at: new Date(goneAt), known: known === 1 } }),
  };
}
