import type { PeerVerifier } from '../../mtls/index.ts';
import type { Clock, Log, Random } from '../../platform/index.ts';
import type { BundleLimits, BundleSource, TrustBundle, TrustDomain } from '../../spiffe/index.ts';
import type { Store } from '../../store/index.ts';
import type { AddressGuard } from '../fetch/address-guard.ts';
import type { AddressNumbers } from './address-numbers.ts';
import type { FetchLimits } from '../fetch/fetch-limits.ts';
import type { HostLookup } from '../fetch/host-lookup.ts';
import type { HoldingStatements } from '../holding/holding-statements.ts';
import type { LeftOutEntries } from '../trust/left-out-entries.ts';
import type { HeldBundles } from '../trust/held-bundles.ts';
import type { RedirectSettings } from '../fetch/redirects.ts';
import type { ScheduleSettings } from '../fetch/schedule.ts';
import type { TheirSides } from '../fetch/their-side.ts';
import type { TrustedBundles } from '../trust/trusted-bundles.ts';
import type { CarriedBundles } from '../signed-bundle/carried-bundles.ts';
import type { OutgoingProxy } from '../fetch/outgoing-proxy.ts';

/** What a poll needs from its surroundings. */
export interface RefreshParts {
  readonly store: Store;
  readonly held: HeldBundles;
  /** How relationships look from the peers' side. */
  readonly theirSides?: TheirSides | undefined;
  /** The part of the held bundles that counts. */
  readonly trusted: TrustedBundles;
  /**
   * The bundles that endpoints are verified with: the held ones, without distrusted keys, and our
   * own.
   */
  readonly endpointBundles: BundleSource;
  readonly verifier: PeerVerifier;
  /** Refuses SVIDs whose key usage is missing or not critical (X509-11). */
  readonly strictKeyUsage?: boolean | undefined;
  readonly own: () => TrustBundle | undefined;
  /** Our own trust domain by the configuration, which is known before the mesh reports a bundle. */
  readonly ownTrustDomain?: TrustDomain | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly lookup: HostLookup;
  readonly guard?: AddressGuard | undefined;
  /** Through which endpoints are reached; undefined: directly. */
  readonly proxy?: OutgoingProxy | undefined;
  readonly fetchLimits: FetchLimits;
  readonly bundleLimits: BundleLimits;
  readonly redirects: RedirectSettings;
  readonly schedule: ScheduleSettings;
  /** For so long a key is held before it counts as an overlap over `https_web`; default a day. */
  readonly overlapLeadMs?: number | undefined;
  /** How each address of an endpoint numbers its content. */
  readonly addressNumbers?: AddressNumbers | undefined;
  /** Signed bundles that were accepted, to be carried on. */
  readonly carried: CarriedBundles;
  /** Which entries of the peers' latest documents are not used. */
  readonly leftOut?: LeftOutEntries | undefined;
  /** What we report to peers about their bundles. */
  readonly holding?: HoldingStatements | undefined;
}
