import type { IncidentKind, StoreReader } from '../store/index.ts';
import type { WarningDocument } from './api/fields.ts';
import { isWarningCode } from './api/warning-codes.ts';

const MAX_OPEN = 10_000;

/** Incidents that an operator has to look into, although polls may go well meanwhile. */
const LOUD: ReadonlySet<IncidentKind> = new Set(['equivocation', 'history-doctored', 'peer-flapping']);

/**
 * The incidents that need an operator's hand: endpoints that show different bundles or change them
 * all the time, and doctored histories.
 */
export async function warningsIn(store: StoreReader): Promise<WarningDocument[]> {
  const open = await store.incidents({ open: true, offers: false, limit: MAX_OPEN });
  return open
    .filter(({ kind }) => LOUD.has(kind))
    .map(({ kind, trustDomain, code, message, at }) => ({
      trust_domain: trustDomain,
      code: isWarningCode(code) ? code : kind === 'equivocation' ? 'other-content' : 'history-taken-back',
      message,
      since: at.toISOString(),
    }));
}
