import type { Clock, Random } from '../../platform/index.ts';
import { defined } from '../../objects/index.ts';
import type { AdapterState } from './adapter-state.ts';
import { followOwnTrust } from './follow-own-trust.ts';
import type { SecondLook } from './second-look.ts';
import type { ForeignTrustReport, MeshAdapter, OwnTrust, PresentTrust } from './mesh-adapter.ts';
import type { MeshServices } from './mesh-services.ts';
import type { TrustComparison } from './peer-writes.ts';
import { retryConflicts } from './retry-conflicts.ts';

/** A mesh adapter from its two halves: both end with the caller's signal, and with `stop`. */
export function assembleAdapter(options: {
  readonly kind: MeshAdapter['kind'];
  readonly scope: MeshAdapter['scope'];
  readonly state: AdapterState;
  /** Reports the own trust any number of times, until the signal aborts. */
  readonly read: (report: (own: OwnTrust) => void, signal: AbortSignal) => Promise<void>;
  /**
   * For a place that is not read as a whole; left out where what is read is the state of one
   * instant.
   */
  readonly secondLook?: SecondLook;
  readonly write: (comparison: TrustComparison) => Promise<readonly ForeignTrustReport[]>;
  /** Set where other writers can be faster (`mesh-conflict`): the comparison is made again. */
  readonly retry?: { readonly clock: Clock; readonly random: Random };
  /** Reads the entries in the mesh that have our mark. */
  readonly present: (signal: AbortSignal) => Promise<readonly PresentTrust[]>;
  /** The half about services; left out where the mesh knows none. */
  readonly services?: MeshServices;
  /** Other things to close at the end. */
  readonly stop?: () => Promise<void>;
}): MeshAdapter {
  const { kind, scope, state, read, secondLook, write, retry, present, services, stop } = options;
  const stopping = new AbortController();
  const until = (outer: AbortSignal) => AbortSignal.any([outer, stopping.signal]);
  return {
    kind,
    scope,
    watchOwnTrust: (outer) => followOwnTrust(until(outer), read, secondLook),
    applyForeignTrust: (wanted, outer, reported = new Set(), kept = new Set()) =>
      state.applying(until(outer), (signal, noteTrouble) => {
        const once = (isLastTry: boolean) =>
          write({ wanted, signal, reported, kept, noteTrouble, isLastTry });
        return retry ? retryConflicts(once, { ...retry, signal }) : once(true);
      }),
    presentTrust: (outer) => present(until(outer)),
    onReport: (listener) => state.onReport(listener),
    onProgress: (listener) => state.onProgress(listener),
    status: () => state.status,
    ...defined({ services: services && untilStopped(services, until) }),
    stop: async () => {
      stopping.abort();
      await stop?.();
    },
  };
}

/** The same services, whose requests end with the adapter. */
function untilStopped(services: MeshServices, until: (signal: AbortSignal) => AbortSignal): MeshServices {
  return {
    readServices: (signal) => services.readServices(until(signal)),
    applyExports: (wanted, signal) => services.applyExports(wanted, until(signal)),
    applyImports: (wanted, signal) => services.applyImports(wanted, until(signal)),
    applyAccess: (wanted, signal) => services.applyAccess(wanted, until(signal)),
  };
}
