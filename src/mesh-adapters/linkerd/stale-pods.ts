import { createHash } from 'node:crypto';
import { z } from 'zod';
import { MeshAdapterError } from '../contract/errors.ts';
import type { ConfigMap } from '../kubernetes/config-map.ts';
import type { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import { collectionOf, type KubernetesObject } from '../kubernetes/kubernetes-object.ts';
import type { Note } from './trust-manager.ts';

const PODS = collectionOf({ kind: 'Pod', api: 'api/v1', plural: 'pods' });
const HASH_ANNOTATION = 'linkerd.io/trust-root-sha256';
/**
 * The value in pods with a chart that was rendered without anchors, such as the control plane's
 * with an external CA. Their proxies read the anchors from the ConfigMap when their containers
 * start.
 */
const HASH_OF_NOTHING = sha256('');
/** A kubelet may start a container with the ConfigMap of some seconds ago. */
const KUBELET_MS = 5000;

// What a pod does not report, or reports in another form, reads as missing.
const date = z
  .string()
  .transform((text) => new Date(text))
  .refine((at) => !Number.isNaN(at.getTime()))
  .optional()
  .catch(undefined);
const MANAGED_FIELDS = z.array(z.object({ time: date }).catch({})).catch([]);
/** The start time of each container, undefined for one that does not run. */
const STARTS = z
  .array(
    z
      .object({ state: z.object({ running: z.object({ startedAt: date }) }) })
      .transform(({ state }) => state.running.startedAt)
      .catch(undefined),
  )
  .catch([]);
const POD_STATUS = z
  .object({ phase: z.unknown().optional(), containerStatuses: STARTS, initContainerStatuses: STARTS })
  .catch({ phase: undefined, containerStatuses: [], initContainerStatuses: [] });

/** Pods that a sentence names. */
const MAX_NAMED = 5;

/** How many pods of the mesh have the present anchors. */
export type PodsInEffect =
  | { readonly kind: 'all'; readonly pods: number }
  | { readonly kind: 'none-there' }
  /** `areStale`: some pod may have other anchors than the present ones. */
  | { readonly kind: 'not-all'; readonly areStale: boolean; readonly note: Note };

/**
 * Compares the anchors that each pod got at its injection with the present ones; only a restart
 * changes them. A pod of the control plane has the present ones where all its containers started
 * after the last change of the ConfigMap `roots`. Throws `MeshAdapterError`, except where the agent
 * lacks the right to list pods. See docs/meshes/linkerd.md.
 */
export async function podsInEffect(
  client: KubernetesClient,
  options: {
    readonly namespace: string;
    readonly roots: ConfigMap;
    readonly anchorsText: string;
    readonly signal: AbortSignal;
  },
): Promise<PodsInEffect> {
  const { namespace, roots, anchorsText, signal } = options;
  let pods: Awaited<ReturnType<typeof client.listObjects>>['items'];
  try {
    const selector = { labelSelector: `linkerd.io/control-plane-ns=${namespace}` };
    ({ items: pods } = await client.listObjects(PODS, selector, signal));
  } catch (error) {
    if (!(error instanceof MeshAdapterError && error.code === 'mesh-forbidden')) throw error;
    const message =
      'the agent lacks the right to list pods, so it is unknown which of them have the present anchors';
    return { kind: 'not-all', areStale: false, note: { code: 'pods-unreadable', message } };
  }
  // The injector takes the text as it is, some versions without the line end.
  const present = new Set([sha256(anchorsText), sha256(anchorsText.trimEnd())]);
  const changedAt = lastChangeOf(roots);
  const running = pods.filter((pod) => !isOver(pod));
  const [stale, silent] = [[], []] as [KubernetesObject[], KubernetesObject[]];
  for (const pod of running) {
    const hash = pod.metadata.annotations?.[HASH_ANNOTATION];
    if (hash !== undefined && present.has(hash)) continue;
    const startedAt = hash === HASH_OF_NOTHING ? startOf(pod) : undefined;
    if (hash === undefined || (hash === HASH_OF_NOTHING && !(startedAt && changedAt))) silent.push(pod);
    else if (!startedAt || !changedAt || startedAt.getTime() < changedAt.getTime() + KUBELET_MS)
      stale.push(pod);
  }
  if (stale.length > 0) {
    const message = `stale proxies: ${stale.length} of ${running.length} pods may have other anchors (${named(stale)}); restart the control plane, and then these workloads`;
    return { kind: 'not-all', areStale: true, note: { code: 'stale-proxies', message } };
  }
  if (silent.length > 0) {
    const message = `${silent.length} of ${running.length} pods do not show their anchors (${named(silent)}), the others have the present ones`;
    const areStale = silent.some(
      ({ metadata }) => metadata.annotations?.[HASH_ANNOTATION] === HASH_OF_NOTHING,
    );
    return { kind: 'not-all', areStale, note: { code: 'proxies-untold', message } };
  }
  return running.length === 0 ? { kind: 'none-there' } : { kind: 'all', pods: running.length };
}

/** When an object was last written, as the API server noted it; undefined where it did not. */
function lastChangeOf({ metadata: { managedFields } }: KubernetesObject): Date | undefined {
  const times = MANAGED_FIELDS.parse(managedFields).flatMap(({ time }) => time?.getTime() ?? []);
  return times.length === 0 ? undefined : new Date(Math.max(...times));
}

/** When the last of a pod's containers started; undefined while one of them does not run. */
function startOf({ status }: KubernetesObject): Date | undefined {
  const { containerStatuses, initContainerStatuses } = POD_STATUS.parse(status);
  if (containerStatuses.length === 0) return undefined;
  // A proxy can be an init container that keeps running.
  const sidecars = initContainerStatuses.filter((startedAt) => startedAt !== undefined);
  const times = [...sidecars, ...containerStatuses].map((startedAt) => startedAt?.getTime());
  return times.every((time) => time !== undefined) ? new Date(Math.min(...times)) : undefined;
}

/** The names of the first of them. */
function named(pods: readonly KubernetesObject[]): string {
  const names = pods.slice(0, MAX_NAMED).map(({ metadata: { namespace, name } }) => {
    return namespace === undefined ? name : `${namespace}/${name}`;
  });
  return pods.length > MAX_NAMED
    ? `${names.join(', ')} and ${pods.length - MAX_NAMED} more`
    : names.join(', ');
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** A pod that has ended keeps its labels, but admits no identity. */
function isOver({ status }: KubernetesObject): boolean {
  const { phase } = POD_STATUS.parse(status);
  return phase === 'Succeeded' || phase === 'Failed';
}
