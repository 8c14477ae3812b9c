import type { InMeshDocument } from '../admin-client/index.ts';
import type { View } from './view.ts';

/**
 * Why the mesh is as it is with a trust domain, with the code; `otherwise` where it gave no reason.
 */
export function whyInMesh({ code, message }: InMeshDocument, otherwise: string, view: View): string {
  return `${view.words(message ?? otherwise)}${code === null ? '' : ` [${code}]`}`;
}

/** What readers of the mesh's configuration still have to do, with the code. */
export function noteText(
  { code, message }: { readonly code: string; readonly message: string },
  view: View,
): string {
  return `Note: ${view.words(message)} [${code}]`;
}
