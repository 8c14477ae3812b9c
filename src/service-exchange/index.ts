/** Services between two agents: what we export and to whom, and the signed catalogue that a peer gets. */
export { ExportError, type ExportErrorCode } from './owner/errors.ts';
