import type { StoreReader } from '../store/index.ts';
import { isWarningCode, type WarningDocument } from '../admin-client/index.ts';

const MAX_OPEN = 10_000;

/** What goes on that no poll shows: endpoints that were found to show different bundles, and histories that were doctored. */
export async function warningsIn(store: StoreReader): Promise<WarningDocument[]> {
  const open = await store.incidents({ open: true, limit: MAX_OPEN });
  return open
    .filter(({ kind }) => kind === 'equivocation' || kind === 'history-doctored')
    .map(({ kind, trustDomain, code, message, at }) => ({
      trust_domain: trustDomain,
      code: isWarningCode(code) ? code : kind === 'equivocation' ? 'other-content' : 'history-taken-back',
      message,
      since: at.toISOString(),
    }));
}
