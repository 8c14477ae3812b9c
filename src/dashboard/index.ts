/** The agent's admin API on a Unix socket, and the client that the command uses. */
export { AdminClientError, type AdminClient, createAdminClient } from './admin-client.ts';
export type {
  AddDocument,
  AuthorityDocument,
  BundleDocument,
  BundleSetDocument,
  ChangeDocument,
  ChangedAuthorityDocument,
  DiffDocument,
  EventDocument,
  HistoryDocument,
  IncidentDocument,
  ProblemDocument,
  RefreshDocument,
  RelationshipDocument,
  RemovedDocument,
  SetBundleDocument,
  StatusDocument,
  VerifyDocument,
  VerifyJwtDocument,
  VersionDocument,
  WarningDocument,
} from './admin-documents.ts';
export type { InMeshDocument } from './in-mesh-document.ts';
export type { InvitationDocument, InviteDocument, InvitedDocument } from './invitation-documents.ts';
export type { InvitationServices } from './invitation-routes.ts';
export type { AdminServices } from './admin-routes.ts';
export { AdminServer, AdminServerError } from './admin-server.ts';
export { describeAuthority, describeDistrusted, describeEvent } from './describe.ts';
export type {
  DistrustDocument,
  DistrustedDocument,
  DistrustedKeyDocument,
  TrustAgainDocument,
} from './distrust-documents.ts';
export type {
  HeadDocument,
  HistoryPlaceDocument,
  LinkDocument,
  StoryDocument,
  TrustedAtDocument,
  TrustedDocument,
} from './history-documents.ts';
export { warningsIn } from './warnings.ts';
export { describeTrustedAt } from './history-routes.ts';
export type {
  DecidedDocument,
  DecisionDocument,
  OfferDocument,
  OfferedKeyDocument,
  ReviewDocument,
} from './review-documents.ts';
export type { ReviewServices } from './review-routes.ts';
export type { DistrustServices } from './distrust-routes.ts';
export type {
  GateDocument,
  MissingDocument,
  OwnRootDocument,
  PollerDocument,
  RotationDocument,
  RotationPeerDocument,
} from './rotation-documents.ts';
export type { RotationServices } from './rotation-routes.ts';
export type { IdentityDocument } from './identity-documents.ts';
export type { WorkloadApiDocument } from './workload-api-documents.ts';
export type { SignedBundleDocument } from './signed-bundle-routes.ts';
