import type { Clock, Log, Metrics, Random } from '../platform/index.ts';
import type { BundleLimits, StatementSigner, TrustBundle, TrustDomain } from '../spiffe/index.ts';
import type { Store } from '../store/index.ts';
import type { AddressGuard } from './fetch/address-guard.ts';
import type { ChangeBudgetSettings } from './poll/change-budget.ts';
import type { WatchSettings } from './poll/endpoint-watch.ts';
import type { FetchLimits } from './fetch/fetch-limits.ts';
import type { HostLookup } from './fetch/host-lookup.ts';
import type { RedirectSettings } from './fetch/redirects.ts';
import type { ScheduleSettings } from './fetch/schedule.ts';
import type { OutgoingProxy } from './fetch/outgoing-proxy.ts';

/** What the agent works with. */
export interface FederationAgentOptions {
  readonly store: Store;
  /** Our own trust domain's bundle, once the mesh has reported it. */
  readonly own: () => TrustBundle | undefined;
  /** Our own trust domain by the configuration, which is known before the mesh reports a bundle. */
  readonly ownTrustDomain?: TrustDomain;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly fetchLimits: FetchLimits;
  readonly bundleLimits: BundleLimits;
  readonly redirects: RedirectSettings;
  /**
   * How endpoints' names become addresses; default as this machine does it, without holding a
   * thread.
   */
  readonly lookup?: HostLookup;
  /** Refuses the addresses that the agent never connects to, wherever they come from. */
  readonly guard?: AddressGuard;
  /** Through which endpoints are reached; undefined: directly. */
  readonly proxy?: OutgoingProxy | undefined;
  readonly schedule: ScheduleSettings;
  /** How often the bundle of one peer may change; default `defaultChangeBudgetSettings`. */
  readonly changeBudget?: ChangeBudgetSettings;
  /** For so long a key is held before it counts as an overlap over `https_web`; default a day. */
  readonly overlapLeadMs?: number | undefined;
  /** Refuses SVIDs of peers whose key usage is missing or not critical (X509-11); default false. */
  readonly strictKeyUsage?: boolean | undefined;
  readonly watch: WatchSettings;
  /**
   * Signs what we report to peers about their bundles. Without a signer the agent reports nothing.
   */
  readonly signer?: () => StatementSigner | undefined;
  /**
   * Polls at the same time, over all peers; those that wait long for their endpoint are counted
   * apart, see `PollSlots`.
   */
  readonly concurrency: number;
}
