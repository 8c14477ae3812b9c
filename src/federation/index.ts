/**
 * Relationships with foreign trust domains: bootstrap, fetch, judge, remember, repeat (SPIFFE
 * Federation §5, §6). The exports go down the ladder of the room.
 */
export { Federation, type FederationOptions } from './federation.ts';
export type { AddRequest } from './operator/add-relationship.ts';
export { parseBundleFile } from './operator/bundle-file.ts';
export type { RelationshipChange } from './operator/change-relationship.ts';
export type { InvitedBundle } from './operator/first-trust.ts';
export type { WaitingOffer } from './operator/offer-reviews.ts';
export type { Relationships } from './operator/relationships.ts';
export type { Peers } from './poll/peers.ts';
export type { RefreshOutcome } from './poll/refresh-outcome.ts';
export { staleFrom } from './poll/relationship-state.ts';
export type { LeftOut } from './trust/left-out-entries.ts';
export { withoutKeys } from './trust/without-keys.ts';
export { signBundle, type SignedBundle } from './signed-bundle/signed-bundle.ts';
export { claimedIssuer } from './holding/claimed-issuer.ts';
export type { HoldingStatements } from './holding/holding-statements.ts';
export { agentOf, type PeerHolding, PeerHoldings, type PlainPoller } from './holding/peer-holdings.ts';
export { RecentWork } from './holding/recent-work.ts';
export { type AddressGuard, createForbiddenRanges } from './fetch/address-guard.ts';
export { addressKind } from './fetch/address-kind.ts';
export { openUnproved } from './fetch/connect-unproved.ts';
export type { EndpointHealth } from './fetch/endpoint-urls.ts';
export { FederationError, FetchError, type FetchErrorCode, type FetchTrace } from './fetch/errors.ts';
export { type DocumentTag, fetchBundle } from './fetch/fetch-bundle.ts';
export { defaultFetchLimits, type FetchLimits } from './fetch/fetch-limits.ts';
export { fetchPath, type PathOutcome } from './fetch/fetch-path.ts';
export { provedBy } from './fetch/fetch-record.ts';
export { FetchTimer } from './fetch/fetch-timer.ts';
export { HOLDING_TYPE, MAX_HOLDING_CHARACTERS } from './fetch/holding-claims.ts';
export { createHostLookup, type HostLookup } from './fetch/host-lookup.ts';
export { hostOf } from './fetch/open-tcp.ts';
export { type OutgoingProxy, parseExemptHost } from './fetch/outgoing-proxy.ts';
export type { Reach } from './fetch/reach.ts';
export { defaultRedirectSettings, type RedirectSettings } from './fetch/redirects.ts';
export {
  defaultScheduleSettings,
  nextPollDelayMs,
  retryDelayMs,
  type ScheduleSettings,
} from './fetch/schedule.ts';
export type { TheirReport, TheirSide } from './fetch/their-side.ts';
