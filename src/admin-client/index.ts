/** What the agent's admin API says, and the client that asks it. It loads nothing that runs a server: the command imports it. */
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
  LeftOutDocument,
  ProblemDocument,
  RefreshDocument,
  RelationshipDocument,
  OutOfMeshDocument,
  RemovedDocument,
  SetBundleDocument,
  StandingDocument,
  StatusDocument,
  VerifyDocument,
  VerifyJwtDocument,
  VersionDocument,
  WarningDocument,
} from './admin-documents.ts';
export { isWarningCode, WARNING_CODES, type WarningCode } from './warning-codes.ts';
export type { InMeshDocument } from './in-mesh-document.ts';
export type { InvitationDocument, InviteDocument, InvitedDocument } from './invitation-documents.ts';
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
  StoryQuery,
  TrustedAtDocument,
  TrustedDocument,
} from './history-documents.ts';
export type {
  DecidedDocument,
  DecisionDocument,
  OfferDocument,
  OfferedKeyDocument,
  ReviewDocument,
} from './review-documents.ts';
export type {
  GateDocument,
  MissingDocument,
  OwnRootDocument,
  PollerDocument,
  RotationDocument,
  RotationPeerDocument,
} from './rotation-documents.ts';
export type { IdentityDocument } from './identity-documents.ts';
export type { WorkloadApiDocument } from './workload-api-documents.ts';
export type { UnrecordedTrustDocument } from './unrecorded-trust-document.ts';
export type { SignedBundleDocument } from './signed-bundle-document.ts';
