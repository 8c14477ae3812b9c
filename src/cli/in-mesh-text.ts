import type { InMeshDocument } from '../admin-client/index.ts';

/**
 * Why the mesh is as it is with a trust domain, with the code; `otherwise` where it gave no reason.
 */
export function whyInMesh({ code, message }: InMeshDocument, otherwise: string): string {
  return `${message ?? otherwise}${code === null ? '' : ` [${code}]`}`;
}

/** What readers of the mesh's configuration still have to do, with the code. */
export function noteText({ code, message }: { readonly code: string; readonly message: string }): string {
  return `Note: ${message} [${code}]`;
}
