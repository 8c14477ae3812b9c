/** The agent's memory: relationships, the bundle of each trust domain, and the whole history. */
export type { AuthorityRef, BundleVersion, NewVersion } from './model/bundle-version.ts';
export {
  type ChainedTable,
  type ChainLink,
  isChainedTable,
  linkHash,
  type SignedHead,
} from './model/chain.ts';
export {
  catalogueDigest,
  type CatalogueDirection,
  type CatalogueNotHeld,
  type CatalogueVersion,
  type CatalogueVerdict,
  type HeldCatalogue,
} from './model/catalogue-version.ts';
export { StoreError } from './model/errors.ts';
export {
  EVENT_KINDS,
  type EventKind,
  isEventKind,
  type NewEvent,
  type StoredEvent,
} from './model/event.ts';
export type { RecordedEvent, StoreObserver } from './model/observer.ts';
export type { DistrustedKey, RejectedOffer } from './model/operator-decisions.ts';
export type { RootLife, RootStage, RootStageChange, StageEvidence } from './model/own-root.ts';
export type { StoredHolding } from './model/peer-holding.ts';
export type { IncidentKind, NewIncident, StoredIncident } from './model/incident.ts';
export type {
  InvitationChange,
  InvitationPatch,
  InvitationState,
  StoredInvitation,
} from './model/invitation.ts';
export {
  type ChainReader,
  exportHistory,
  headDocument,
  readHeads,
  trustDomainOfExport,
  verifyExport,
} from './history/history-export.ts';
export type { Finding, HistoryReport } from './history/history-finding.ts';
export { type HistoryEvidence } from './history/judge-history.ts';
export { proveHead, signHead } from './history/head-statement.ts';
export type { VersionLine } from './model/version-mark.ts';
export type { TrustedAt } from './model/trusted-at.ts';
export { verifyStoreFile } from './history/verify-store.ts';
export {
  type HeldKey,
  KEY_KINDS,
  type KeyKind,
  keyNamesOf,
  type PriorTrust,
} from './model/prior-trust.ts';
export type {
  BootstrapProof,
  ChangePolicy,
  Relationship,
  RelationshipPatch,
  RelationshipState,
  StateReason,
} from './model/relationship.ts';
export {
  CONFIG_ACTOR,
  type ImportState,
  type StoredAccessRule,
  type StoredExport,
  type StoredImport,
  type StoredOwnService,
} from './model/service-rows.ts';
export type { ServiceStore, ServiceStoreReader } from './model/service-store.ts';
export { openSqliteStore, openSqliteStoreForReading, type SqliteStoreOptions } from './sql/sqlite-store.ts';
export type { Store, StoreReader } from './model/store.ts';
export { backUpStore } from './backup/back-up.ts';
export type { CopyProgress } from './backup/copy-database.ts';
export type { StoreFacts } from './backup/facts.ts';
export { type Restored, restoreStore } from './backup/restore.ts';
export { readStoreHealth } from './history/store-health.ts';
