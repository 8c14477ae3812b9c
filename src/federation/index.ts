/**
 * Relationships with foreign trust domains: bootstrap, fetch, judge, remember, repeat (SPIFFE
 * Federation §5, §6).
 */
export type { AddNote, AddRequest } from './operator/add-relationship.ts';
export { Federation, type FederationOptions } from './federation.ts';
export type { AddResult, Relationships } from './operator/relationships.ts';
export type { Peers } from './poll/peers.ts';
export { type Bootstrap, parseBundleFile } from './operator/bootstrap.ts';
export type { RelationshipChange } from './operator/change-relationship.ts';
export { type Distrusted, type Distrusts, type DistrustRequest } from './operator/distrust-key.ts';
export {
  FederationError,
  type FederationErrorCode,
  FetchError,
  type FetchErrorCode,
  type FetchTrace,
} from './fetch/errors.ts';
export type { WatchSettings } from './poll/endpoint-watch.ts';
export { type OutgoingProxy, parseExemptHost } from './fetch/outgoing-proxy.ts';
export { createHostLookup } from './fetch/host-lookup.ts';
export { type DocumentTag, fetchBundle, type FetchOutcome, type FetchRequest } from './fetch/fetch-bundle.ts';
export type { TheirSide } from './fetch/their-side.ts';
export { staleFrom } from './poll/relationship-state.ts';
export type { MeshProgress } from './fetch/holding-claims.ts';
export {
  PeerHoldings,
  type PeerHolding,
  type PlainPoller,
  type SeenRequest,
} from './holding/peer-holdings.ts';
export { defaultFetchLimits, type FetchLimits } from './fetch/fetch-limits.ts';
export { type AddressGuard, createForbiddenRanges } from './fetch/address-guard.ts';
export type { BundleListener } from './trust/held-bundles.ts';
export type { LeftOut } from './trust/left-out-entries.ts';
export type { EndpointHealth } from './fetch/endpoint-urls.ts';
export { type Decision, OfferReviews, type WaitingOffer } from './operator/offer-reviews.ts';
export type { OperatorBundle } from './operator/operator-bundle.ts';
export { defaultRedirectSettings, type RedirectSettings } from './fetch/redirects.ts';
export type { RefreshOutcome, RefreshResult } from './poll/refresh-outcome.ts';
export type { RelationshipTerms } from './trust/relationship-terms.ts';
export type { RelationshipStatus } from './trust/relationship-status.ts';
export { withoutKeys } from './trust/without-keys.ts';
export {
  defaultScheduleSettings,
  nextPollDelayMs,
  retryDelayMs,
  type ScheduleSettings,
} from './fetch/schedule.ts';
export type { OperatorOverride } from './poll/settle-offer.ts';
export { type SignedBundle, signBundle } from './signed-bundle/signed-bundle.ts';
export {
  judge,
  type JudgeInput,
  type Override,
  type QuarantineCode,
  type RefusalCode,
  type Verdict,
  type VerdictNote,
} from './trust/verdict.ts';
export { addressKind } from './fetch/address-kind.ts';
export { connectUnproved } from './fetch/connect-unproved.ts';
export { openEndpoint } from './fetch/endpoint-tls.ts';
export { provedBy } from './fetch/fetch-record.ts';
export { FetchTimer } from './fetch/fetch-timer.ts';
export { HOLDING_TYPE, MAX_HOLDING_CHARACTERS } from './fetch/holding-claims.ts';
export type { HostLookup } from './fetch/host-lookup.ts';
export { httpGet } from './fetch/http-get.ts';
export { hostOf, openTcp } from './fetch/open-tcp.ts';
export { claimedIssuer } from './holding/claimed-issuer.ts';
export type { HoldingStatements } from './holding/holding-statements.ts';
export { agentOf } from './holding/peer-holdings.ts';
export { RecentWork } from './holding/recent-work.ts';
export type { InvitedBundle } from './operator/bootstrap.ts';
