import type { Clock, Log, Random } from '../../platform/index.ts';
import type { BundleLimits } from '../../spiffe/index.ts';
import type { AddressGuard } from './address-guard.ts';
import type { FetchLimits } from './fetch-limits.ts';
import type { HostLookup } from './host-lookup.ts';
import type { OutgoingProxy } from './outgoing-proxy.ts';

/** How endpoints of other trust domains are reached, and what their answers may cost. */
export interface Reach {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly lookup: HostLookup;
  /** Refuses the addresses that the agent never connects to, wherever they come from. */
  readonly guard?: AddressGuard | undefined;
  /** Through which endpoints are reached; undefined: directly. */
  readonly proxy?: OutgoingProxy | undefined;
  readonly fetchLimits: FetchLimits;
  readonly bundleLimits: BundleLimits;
}
