import type { OfferedService, SuspiciousChange } from '../../services/index.ts';
import type { StateReason, StoredImport } from '../../store/index.ts';

/** The reason of an import that the operator drops: it is removed when its draining ends. */
export const DROPPED = 'service-dropped';

/** What the state of one import follows from. */
export interface ImportFacts {
  readonly row: Pick<StoredImport, 'service' | 'trustDomain' | 'state' | 'reason' | 'drainUntil' | 'offer'>;
  /** Whether the bundle of the owner counts now. */
  readonly trusted: boolean;
  /** The owner's catalogue that counts, and whether it may not be used any longer. */
  readonly catalogue: 'none' | 'fresh' | 'stale';
  /** The service in that catalogue. */
  readonly offered: OfferedService | undefined;
  /** A change in a newer catalogue that waits for the operator and concerns this service. */
  readonly suspicion: SuspiciousChange | undefined;
  /** Why the name or an SNI cannot be used. */
  readonly conflict: StateReason | undefined;
  readonly now: Date;
  readonly drainMs: number;
}

export type ImportVerdict =
  | ({ readonly remove: false } & Pick<StoredImport, 'state' | 'reason' | 'drainUntil'>)
  | { readonly remove: true };

/**
 * Judges how an import stands. Without trust in its owner it ends at once. A service that its owner
 * withdraws drains first. A suspicious change leaves the last good one in use.
 */
export function judgeImport(facts: ImportFacts): ImportVerdict {
  const { row, trusted, catalogue, offered, suspicion, conflict, now } = facts;
  const { service, trustDomain } = row;
  if (row.reason?.code === DROPPED) {
    if (!trusted || row.drainUntil === undefined || row.drainUntil <= now) return { remove: true };
    return as('draining', row.reason, row.drainUntil);
  }
  if (!trusted)
    return as('absent', {
      code: 'peer-not-trusted',
      message: `no identity of ${trustDomain} is accepted now`,
    });
  if (catalogue === 'none')
    return as('absent', {
      code: 'catalogue-missing',
      message: `${trustDomain} has not offered us a service yet`,
    });
  if (catalogue === 'stale')
    return as('absent', {
      code: 'catalogue-stale',
      message: `the list of ${trustDomain} is too old, and no newer one came`,
    });
  if (!offered) return withdrawn(facts);
  if (conflict) return as('conflict', conflict);
  if (offered.state === 'draining') {
    const reason = { code: 'service-draining', message: `${trustDomain} withdraws ${service} soon` };
    return isUsed(row.state) ? as('draining', reason, drainEnd(facts)) : as('absent', reason);
  }
  if (suspicion) return as('waiting', reasonOf(suspicion));
  if (offered.state === 'down')
    return as('serving', {
      code: 'service-down',
      message: `${trustDomain} reports that no instance of ${service} is healthy`,
    });
  return as('serving');
}

/** Whether callers can use an import in this state. */
export function isUsed(state: StoredImport['state']): boolean {
  return state === 'serving' || state === 'waiting' || state === 'draining';
}

function withdrawn(facts: ImportFacts): ImportVerdict {
  const { row, suspicion, now } = facts;
  const { service, trustDomain, offer } = row;
  const end = drainEnd(facts);
  const reason = { code: 'service-withdrawn', message: `${trustDomain} no longer offers ${service}` };
  if (isUsed(row.state) && offer !== undefined && end > now) return as('draining', reason, end);
  if (suspicion) return as('absent', reasonOf(suspicion));
  if (offer !== undefined) return as('absent', reason);
  return as('absent', { code: 'service-not-offered', message: `${trustDomain} does not offer ${service}` });
}

/** A draining that has begun keeps its end. */
function drainEnd({ row, now, drainMs }: ImportFacts): Date {
  const begun = row.state === 'draining' ? row.drainUntil : undefined;
  return begun ?? new Date(now.getTime() + drainMs);
}

function reasonOf({ code, message }: SuspiciousChange): StateReason {
  return { code, message };
}

function as(state: StoredImport['state'], reason?: StateReason, drainUntil?: Date): ImportVerdict {
  return {
    remove: false,
    state,
    ...(reason ? { reason } : {}),
    ...(drainUntil ? { drainUntil } : {}),
  };
}
