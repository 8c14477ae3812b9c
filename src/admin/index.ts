/**
 * The agent's admin API: the contract (`api/`), its OpenAPI document, and the server on a Unix
 * socket. The client is in `admin-client`.
 */
export { AdminServer } from './admin-server.ts';
export type { AdminApi } from './admin-routes.ts';
export { AdminError } from './errors.ts';
export { openApiDocument } from './openapi-document.ts';
export * from './describe.ts';
export { describeTrustedAt, storyIn } from './story.ts';
export { warningsIn } from './warnings.ts';
export { isWarningCode, WARNING_CODES, type WarningCode } from './api/warning-codes.ts';
export {
  type AdminHandlers,
  type Answer,
  type CallInput,
  type HandlersOf,
  type Request,
  type RouteName,
  routes,
} from './api/routes.ts';
export type * from './api/access.ts';
export type * from './api/bundles.ts';
export type * from './api/distrusted.ts';
export type {
  EventDocument,
  InMeshDocument,
  LeftOutDocument,
  OutOfMeshDocument,
  RemovedDocument,
  WarningDocument,
} from './api/fields.ts';
export type * from './api/exports.ts';
export type * from './api/history.ts';
export type * from './api/imports.ts';
export type * from './api/invitations.ts';
export type * from './api/offers.ts';
export type * from './api/refresh.ts';
export type * from './api/relationships.ts';
export type * from './api/rotation.ts';
export type * from './api/signed-bundle.ts';
export type * from './api/status.ts';
export type * from './api/store.ts';
export type * from './api/unrecorded-trust.ts';
export type * from './api/verify.ts';
export { unservedWarning } from './unserved-warning.ts';
