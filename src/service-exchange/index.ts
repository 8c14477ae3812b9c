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
export { ExportError, type ExportErrorCode } from './owner/errors.ts';
