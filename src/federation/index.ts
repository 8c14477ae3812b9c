/**
 * Relationships with foreign trust domains: bootstrap, fetch, judge, remember, repeat (SPIFFE
 * Federation §5, §6).
 */
export type { AddNote, AddRequest } from './operator/add-relationship.ts';
export { type AddResult, FederationAgent } from './agent.ts';
export type { FederationAgentOptions } from './agent-options.ts';
export { type Bootstrap, parseBundleFile } from './operator/bootstrap.ts';
export type { RelationshipChange } from './operator/change-relationship.ts';
export { type Distrusted, Distrusts, type DistrustRequest } from './operator/distrust-key.ts';
export {
  FederationError,
  type FederationErrorCode,
  FetchError,
  type FetchErrorCode,
  type FetchTrace,
} from './fetch/errors.ts';
export { defaultWatchSettings, type WatchSettings } from './poll/endpoint-watch.ts';
export {
  type GateVerdict,
  judgeRetire,
  judgeUse,
} from './rotation/judge-gate.ts';
export { type Missing, versionOf } from './rotation/judge-readiness.ts';
export { type PlanFinding, planHint, planLifetime, planRoots } from './rotation/plan-rotation.ts';
export { judgeRootStages, judgeSigning, type Signing } from './rotation/root-stages.ts';
export type {
  OwnRoot,
  OwnVersion,
  RotationPeer,
  RotationTimes,
  RotationView,
} from './rotation/rotation-view.ts';
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
export type { InvitationRequest } from './invitation/desk.ts';
export { InvitationError, type InvitationErrorCode } from './invitation/errors.ts';
export { Invitations } from './invitation/invitations.ts';
export type { LeftOut } from './trust/left-out-entries.ts';
export { looksLikeInvitation } from './invitation/line.ts';
export type { InvitationParts } from './invitation/parts.ts';
export type { EndpointHealth } from './fetch/endpoint-urls.ts';
export { type Decision, OfferReviews, type WaitingOffer } from './operator/offer-reviews.ts';
export type { OperatorBundle } from './operator/operator-bundle.ts';
export { defaultRedirectSettings, type RedirectSettings } from './fetch/redirects.ts';
export type { RefreshOutcome, RefreshResult } from './poll/refresh-outcome.ts';
export type { RelationshipTerms } from './trust/relationship-terms.ts';
export type { RelationshipStatus } from './trust/relationship-status.ts';
export { withoutKeys } from './trust/without-keys.ts';
export { defaultScheduleSettings, type ScheduleSettings } from './fetch/schedule.ts';
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
