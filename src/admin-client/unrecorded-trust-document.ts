import type { AuthorityDocument } from './admin-documents.ts';

/** Foreign trust that stands in the mesh with our mark, and that the store has no record of. */
export interface UnrecordedTrustDocument {
  readonly trust_domain: string;
  /** The place in the mesh. */
  readonly where: string;
  readonly since: string;
  /** The roots, or the narrowed anchors with their names and keys; null where the mesh does not show them. */
  readonly roots: readonly AuthorityDocument[] | null;
}
