/** What the agent remembers: relationships, the bundle of each trust domain, and everything that was. */
export type {
  AuthorityRef,
  BundleVersion,
  NewVersion,
  VersionChange,
  VersionVerdict,
} from './bundle-version.ts';
export {
  type ChainedTable,
  type ChainHead,
  type ChainLink,
  isChainedTable,
  linkHash,
  type PeerHead,
  type SignedHead,
} from './chain.ts';
export { StoreError, type StoreErrorCode } from './errors.ts';
export {
  EVENT_KINDS,
  type EventFilter,
  type EventKind,
  isEventKind,
  type NewEvent,
  type StoredEvent,
} from './event.ts';
export type { RecordedEvent, StoreObserver } from './observer.ts';
export type { DistrustedKey, KeyTrustedAgain, RejectedOffer } from './operator-words.ts';
export type { RootLife, RootStage, RootStageChange, StageEvidence } from './own-root.ts';
export type { StoredHolding } from './peer-holding.ts';
export type { IncidentKind, NewIncident, StoredIncident } from './incident.ts';
export type {
  InvitationChange,
  InvitationPatch,
  InvitationRole,
  InvitationState,
  StoredInvitation,
} from './invitation.ts';
export {
  type ChainReader,
  exportHistory,
  headDocument,
  readHeads,
  trustDomainOfExport,
  verifyExport,
} from './history-export.ts';
export type { Finding, FindingCode, HistoryReport } from './history-finding.ts';
export { type HistoryEvidence } from './judge-history.ts';
export { type ProvenHead, proveHead, signHead } from './head-statement.ts';
export type { VersionLine, VersionMark } from './version-mark.ts';
export type { TrustedAt } from './trusted-at.ts';
export { verifyStoreFile } from './verify-store.ts';
export { createMemoryStore } from './memory-store.ts';
export {
  type HeldKey,
  KEY_KINDS,
  type KeyKind,
  keyNamesOf,
  type PriorTrust,
} from './prior-trust.ts';
export type {
  BootstrapProof,
  ChangePolicy,
  Relationship,
  RelationshipPatch,
  RelationshipState,
  StateReason,
} from './relationship.ts';
export { openSqliteStore, openSqliteStoreForReading, type SqliteStoreOptions } from './sqlite-store.ts';
export type { IncidentEnd, Replacement, Store, StoreReader } from './store.ts';
