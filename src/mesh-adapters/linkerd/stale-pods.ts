import { createHash } from 'node:crypto';
import { MeshAdapterError } from '../errors.ts';
import type { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import { collectionOf } from '../kubernetes/kubernetes-object.ts';
import type { Note } from './trust-manager.ts';

const PODS = collectionOf({ kind: 'Pod', api: 'api/v1', plural: 'pods' });
const HASH_ANNOTATION = 'linkerd.io/trust-root-sha256';
/** What pods carry whose chart was rendered without anchors, as the control plane's with an external CA. */
const HASH_OF_NOTHING = sha256('');

/** How many pods of the mesh have the present anchors. */
export type PodsInEffect =
  | { readonly kind: 'all'; readonly pods: number }
  | { readonly kind: 'none-there' }
  | { readonly kind: 'not-all'; readonly note: Note };

/**
 * Compares the anchors that each pod of the mesh was given when it was injected with the present ones; only a restart gives
 * it others (mesh-surfaces §5). Throws `MeshAdapterError` except where we may not list pods.
 */
export async function podsInEffect(
  client: KubernetesClient,
  options: { readonly namespace: string; readonly anchorsText: string; readonly signal: AbortSignal },
): Promise<PodsInEffect> {
  const { namespace, anchorsText, signal } = options;
  let pods: Awaited<ReturnType<typeof client.listObjects>>['items'];
  try {
    const selector = { labelSelector: `linkerd.io/control-plane-ns=${namespace}` };
    ({ items: pods } = await client.listObjects(PODS, selector, signal));
  } catch (error) {
    if (!(error instanceof MeshAdapterError && error.code === 'mesh-forbidden')) throw error;
    const message = 'we may not list pods, so it is not known which of them have the present anchors';
    return { kind: 'not-all', note: { code: 'pods-unreadable', message } };
  }
  // The injector takes the text as it is, some versions without the line end.
  const present = new Set([sha256(anchorsText), sha256(anchorsText.trimEnd())]);
  const hashes = pods.map(({ metadata }) => metadata.annotations?.[HASH_ANNOTATION]);
  const untold = hashes.filter((hash) => hash === undefined || hash === HASH_OF_NOTHING).length;
  const stale = hashes.filter((hash) => hash !== undefined && hash !== HASH_OF_NOTHING && !present.has(hash));
  if (stale.length > 0) {
    const message = `stale proxies: ${stale.length} of ${pods.length} pods were injected with other anchors; restart the control plane and these workloads`;
    return { kind: 'not-all', note: { code: 'stale-proxies', message } };
  }
  if (untold > 0) {
    const message = `${untold} of ${pods.length} pods do not tell which anchors they were injected with, the others have the present ones`;
    return { kind: 'not-all', note: { code: 'proxies-untold', message } };
  }
  return pods.length === 0 ? { kind: 'none-there' } : { kind: 'all', pods: pods.length };
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
