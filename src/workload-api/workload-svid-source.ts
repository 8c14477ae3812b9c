import type { Svid, SvidSource } from '../mtls/index.ts';
import { type Clock, Listeners, type Log, pause } from '../platform/index.ts';
import type { SpiffeId } from '../spiffe/index.ts';
import type { WorkloadX509Client } from './workload-x509-client.ts';
import type { OfferedSvid } from './offered-svid.ts';

/**
 * Chooses one of several SVIDs. Without a criterion it is the first, the default identity
 * (WLAPI-26).
 */
export interface SvidChoice {
  readonly spiffeId?: SpiffeId;
  readonly hint?: string;
}

/** The part of its life after which an SVID is normally renewed: SPIRE renews at half. */
const RENEWED_BY = 0.75;

/** Our SVID from a Workload API, watched until it is stopped. */
export interface WorkloadSvidSource extends SvidSource {
  stop(): void;
}

/**
 * One of the SVIDs of a Workload API client as our own. It changes at the moment the client has a
 * new one. There is none after it has expired or was revoked, or when no offered SVID matches the
 * choice.
 */
export function createWorkloadSvidSource(
  client: WorkloadX509Client,
  choice: SvidChoice,
  { clock, log }: { readonly clock: Clock; readonly log: Log },
): WorkloadSvidSource {
  const listeners = new Listeners();
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
    listeners.notify();
  };
  const watchOver = async (svid: Svid, signal: AbortSignal) => {
    const fields = { id: svid.id, not_after: svid.notAfter };
    const leftMs = () => svid.notAfter.getTime() - clock.now().getTime();
    // An aborted pause: another SVID has replaced this one, or the source has stopped.
    if (!(await pause(clock, leftMs() * RENEWED_BY, signal))) return;
    log.warn('our SVID is not renewed yet, asking the Workload API again', fields);
    client.reopen();
    if (!(await pause(clock, leftMs(), signal))) return;
    log.error('our SVID has expired and no newer one arrived', fields);
    become(undefined);
    client.reopen();
  };
  const take = () => {
    const chosen = client.svids.find((offered) => isChosen(offered, choice))?.svid;
    const usable = chosen && chosen.notAfter > clock.now() ? chosen : undefined;
    if (!usable && client.svids.length > 0) {
      const offered = client.svids.map(({ svid, hint }) => ({ id: svid.id, hint, not_after: svid.notAfter }));
      log.warn('no SVID of the Workload API matches our choice', { wanted: choice, offered });
    }
    // A message also comes when only a bundle has changed.
    if (chainOf(usable) !== chainOf(current)) become(usable);
  };
  take();
  const unfollow = client.onChange(take);
  return {
    current: () => (current && current.notAfter > clock.now() ? current : undefined),
    onChange: listeners.add,
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
