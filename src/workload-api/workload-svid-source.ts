import type { Svid, SvidSource } from '../mtls/index.ts';
import type { Clock, Log } from '../platform/index.ts';
import type { SpiffeId } from '../spiffe/index.ts';
import type { WorkloadX509Client } from './workload-x509-client.ts';
import type { OfferedSvid } from './x509-offer.ts';

/**
 * Which of several SVIDs is meant; with neither it is the first, the default identity (WLAPI-26).
 */
export interface SvidChoice {
  readonly spiffeId?: SpiffeId;
  readonly hint?: string;
}

/**
 * The part of its life after which an SVID has been renewed where all is well: SPIRE does it at
 * half.
 */
const RENEWED_BY = 0.75;

/** Our SVID as a Workload API gives it, watched over until it is stopped. */
export interface WorkloadSvidSource extends SvidSource {
  stop(): void;
}

/**
 * One of the SVIDs of a Workload API client as our own. It is new in the moment in which the client
 * has a new one, and there is none once it has expired, was taken back, or none of those given is
 * the chosen one.
 */
export function createWorkloadSvidSource(
  client: WorkloadX509Client,
  choice: SvidChoice,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): WorkloadSvidSource {
  const listeners = new Set<() => void>();
  let current: Svid | undefined;
  let waiting = new AbortController();
  const become = (svid: Svid | undefined) => {
    current = svid;
    waiting.abort();
    waiting = new AbortController();
    if (svid) {
      log.info('SVID received', { id: svid.id, not_after: svid.notAfter });
      void watchOver(svid, waiting.signal);
    }
    for (const listener of listeners) listener();
  };
  const watchOver = async (svid: Svid, signal: AbortSignal) => {
    const fields = { id: svid.id, not_after: svid.notAfter };
    const leftMs = () => svid.notAfter.getTime() - clock.now().getTime();
    try {
      await clock.sleep(leftMs() * RENEWED_BY, signal);
      log.warn('our SVID is not renewed yet, the Workload API is asked anew', fields);
      client.reopen();
      await clock.sleep(leftMs(), signal);
    } catch {
      // Another has taken its place, or it is the end.
      return;
    }
    log.error('our SVID has expired and no newer one came', fields);
    become(undefined);
    client.reopen();
  };
  const take = () => {
    const chosen = client.svids.find((offered) => isChosen(offered, choice))?.svid;
    const usable = chosen && chosen.notAfter > clock.now() ? chosen : undefined;
    if (!usable && client.svids.length > 0) {
      const offered = client.svids.map(({ svid, hint }) => ({ id: svid.id, hint, not_after: svid.notAfter }));
      log.warn('none of the SVIDs of the Workload API can be ours', { wanted: choice, offered });
    }
    // A message also comes when only a bundle has changed.
    if (chainOf(usable) !== chainOf(current)) become(usable);
  };
  take();
  const unfollow = client.onChange(take);
  return {
    current: () => (current && current.notAfter > clock.now() ? current : undefined),
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop: () => {
      unfollow();
      waiting.abort();
    },
  };
}

function isChosen({ svid, hint }: OfferedSvid, choice: SvidChoice): boolean {
  return (
    (choice.spiffeId === undefined || choice.spiffeId === svid.id) &&
    (choice.hint === undefined || choice.hint === hint)
  );
}

function chainOf(svid: Svid | undefined): string {
  return Buffer.concat(svid?.certificateChain ?? []).toString('base64');
}
