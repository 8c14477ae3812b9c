/** Services between two agents: what we export and to whom, and the signed catalogue that a peer gets. */
export { type ImportErrorCode, ImportError } from './importer/errors.ts';
export {
  type DeclaredConflict,
  ImportDesk,
  type ImportRequest,
  type PeerOffers,
} from './importer/import-desk.ts';
export type { EgressRoute, Import } from './importer/import-book.ts';
export type { ImportSettings } from './importer/import-settings.ts';
export type { PendingCatalogue } from './importer/pending-catalogues.ts';
export { ServiceImporter } from './importer/service-importer.ts';
export { AccessDesk, type AccessAnswer } from './owner/access-desk.ts';
export { ExportError, type ExportErrorCode } from './owner/errors.ts';
export { ExportDesk } from './owner/export-desk.ts';
export { ExportsReception } from './owner/exports-reception.ts';
export { type GatewayRoute, routesText } from './owner/gateway-routes.ts';
export { fittingRules, type KeptRule } from './owner/policies.ts';
export { ServiceOwner } from './owner/service-owner.ts';
export {
  type DeclaredExports,
  type DeclaredService,
  MESH_ACTOR,
  type OwnerSettings,
} from './owner/settings.ts';
