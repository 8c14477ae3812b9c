/** Relationships with foreign trust domains: bootstrap, fetch, judge, remember, repeat (SPIFFE Federation §5, §6). */
export type { AddNote, AddRequest } from './add-relationship.ts';
export { type AddResult, FederationAgent } from './agent.ts';
export type { FederationAgentOptions } from './agent-options.ts';
export { type Bootstrap, parseBundleFile } from './bootstrap.ts';
export type { RelationshipChange } from './change-relationship.ts';
export { type Distrusted, Distrusts, type DistrustRequest } from './distrust-key.ts';
export {
  FederationError,
  type FederationErrorCode,
  FetchError,
  type FetchErrorCode,
  type FetchTrace,
} from './errors.ts';
export { defaultWatchSettings, type WatchSettings } from './endpoint-watch.ts';
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
export { type OutgoingProxy, parseExemptHost } from './proxy/outgoing-proxy.ts';
export { createHostLookup } from './host-lookup.ts';
export { type DocumentTag, fetchBundle, type FetchOutcome, type FetchRequest } from './fetch-bundle.ts';
export type { TheirSide } from './holding/their-side.ts';
export { staleFrom } from './relationship-state.ts';
export type { MeshProgress } from './holding/holding-claims.ts';
export {
  PeerHoldings,
  type PeerHolding,
  type PlainPoller,
  type SeenRequest,
} from './holding/peer-holdings.ts';
export { defaultFetchLimits, type FetchLimits } from './fetch-limits.ts';
export { type AddressGuard, createForbiddenRanges } from './address-guard.ts';
export type { BundleListener } from './held-bundles.ts';
export type { InvitationRequest } from './invitation/desk.ts';
export { InvitationError, type InvitationErrorCode } from './invitation/errors.ts';
export { Invitations } from './invitation/invitations.ts';
export type { LeftOut } from './left-out-entries.ts';
export { looksLikeInvitation } from './invitation/line.ts';
export type { InvitationParts } from './invitation/parts.ts';
export type { EndpointHealth } from './endpoint-urls.ts';
export { type Decision, OfferReviews, type WaitingOffer } from './offer-reviews.ts';
export type { OperatorBundle } from './operator-bundle.ts';
export { defaultRedirectSettings, type RedirectSettings } from './redirects.ts';
export type { RefreshOutcome, RefreshResult } from './refresh-outcome.ts';
export type { RelationshipTerms } from './relationship-terms.ts';
export type { RelationshipStatus } from './relationship-status.ts';
export { withoutKeys } from './without-keys.ts';
export { defaultScheduleSettings, type ScheduleSettings } from './schedule.ts';
export type { OperatorOverride } from './settle-offer.ts';
export { type SignedBundle, signBundle } from './signed-bundle/signed-bundle.ts';
export {
  judge,
  type JudgeInput,
  type Override,
  type QuarantineCode,
  type RefusalCode,
  type Verdict,
  type VerdictNote,
} from './verdict.ts';
