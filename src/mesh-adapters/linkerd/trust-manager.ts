import { z } from 'zod';
import { MeshAdapterError } from '../contract/errors.ts';
import { FOREIGN_TRUST_LABEL } from '../kubernetes/foreign-objects.ts';
import type { KubernetesClient } from '../kubernetes/kubernetes-client.ts';
import {
  collectionOf,
  type KubernetesCollection,
  type KubernetesObject,
} from '../kubernetes/kubernetes-object.ts';
import { ANCHORS_KEY, BUNDLE_SOURCE } from './render.ts';

const BUNDLE = collectionOf({
  kind: 'Bundle',
  api: 'apis/trust.cert-manager.io/v1alpha1',
  plural: 'bundles',
});
/**
 * The future replacement of the Bundle; trust-manager 0.25 has the kind and does not act on it yet.
 */
const CLUSTER_BUNDLE = collectionOf({
  kind: 'ClusterBundle',
  api: 'apis/trust-manager.io/v1alpha2',
  plural: 'clusterbundles',
});

// What is missing or has another form reads as empty: the Bundle belongs to the operator.
const SELECTOR = z.object({
  matchLabels: z.record(z.string(), z.unknown()).catch({}),
  matchExpressions: z.array(z.unknown()).catch([]),
});
const REFERENCE = z.object({
  kind: z.unknown().optional(),
  name: z.string().catch(''),
  key: z.unknown().optional(),
  includeAllKeys: z.unknown().optional(),
  selector: SELECTOR.catch({ matchLabels: {}, matchExpressions: [] }),
});
const NO_REFERENCE = REFERENCE.parse({});
const SPEC = z
  .object({
    sources: z.array(z.object({ configMap: REFERENCE.optional().catch(undefined) }).catch({})).catch([]),
    sourceRefs: z.array(REFERENCE.catch(NO_REFERENCE)).catch([]),
  })
  .catch({ sources: [], sourceRefs: [] });
const CONDITION = z.object({
  type: z.unknown().optional(),
  status: z.unknown().optional(),
  reason: z.unknown().optional(),
  message: z.unknown().optional(),
});
type Condition = Partial<z.output<typeof CONDITION>>;
const STATUS = z
  .object({ conditions: z.array(CONDITION.partial().catch({})).catch([]) })
  .catch({ conditions: [] });

export interface Note {
  readonly code: string;
  readonly message: string;
}

/**
 * Returns why trust-manager may not bring our sources to the proxies; undefined where nothing stops
 * it. Throws `MeshAdapterError`.
 */
export async function examineBundle(
  client: KubernetesClient,
  name: string,
  namePrefix: string,
  signal: AbortSignal,
): Promise<readonly Note[]> {
  const bundle = await findBundle(client, name, signal);
  if (bundle === 'forbidden')
    return [
      {
        code: 'bundle-unreadable',
        message: `the agent lacks the right to read the Bundle ${name} of trust-manager, so it is unknown whether the Bundle takes our sources`,
      },
    ];
  if (!bundle)
    return [
      {
        code: 'bundle-missing',
        message: `trust-manager has no Bundle ${name}, so foreign anchors do not reach the proxies`,
      },
    ];
  const reference = referenceOf(bundle, namePrefix);
  const notes: Note[] = [];
  if (reference === undefined)
    notes.push({
      code: 'bundle-source-missing',
      message: `the Bundle ${name} does not take our ConfigMaps; add to its sources: ${BUNDLE_SOURCE}`,
    });
  if (reference === 'name')
    notes.push({
      code: 'bundle-source-by-name',
      message: `the Bundle ${name} takes our ConfigMaps by name, and stops as a whole when one is deleted; take them by label: ${BUNDLE_SOURCE}`,
    });
  const fault = faultOf(bundle);
  if (fault !== undefined)
    notes.push({
      code: 'bundle-not-synced',
      message: `trust-manager did not sync the Bundle ${name}: ${fault}`,
    });
  return notes;
}

/**
 * Returns the Bundle, or the ClusterBundle of its name once that has replaced it: where the Bundle
 * is marked as migrated, or is gone. A cluster without ClusterBundles forbids them to a caller
 * without rights, so that answer is not evidence.
 */
async function findBundle(
  client: KubernetesClient,
  name: string,
  signal: AbortSignal,
): Promise<KubernetesObject | 'forbidden' | undefined> {
  const bundle = await bundleOf(BUNDLE, client, name, signal);
  if (typeof bundle === 'object' && !conditionsOf(bundle).some(isMigrated)) return bundle;
  const successor = await bundleOf(CLUSTER_BUNDLE, client, name, signal);
  if (typeof successor === 'object') return successor;
  // A migrated Bundle no longer reports what is merged.
  return typeof bundle === 'object' ? successor : bundle;
}

async function bundleOf(
  collection: KubernetesCollection,
  client: KubernetesClient,
  name: string,
  signal: AbortSignal,
): Promise<KubernetesObject | 'forbidden' | undefined> {
  try {
    return await client.getObject(collection, name, signal);
  } catch (error) {
    const code = error instanceof MeshAdapterError ? error.code : undefined;
    if (code === 'mesh-forbidden') return 'forbidden';
    if (code === 'mesh-not-found') return undefined;
    throw error;
  }
}

/** Whether a source takes our ConfigMaps: by our label only, or one of them by its name. */
function referenceOf({ spec }: KubernetesObject, namePrefix: string): 'label' | 'name' | undefined {
  const { sources, sourceRefs } = SPEC.parse(spec);
  const references = [
    ...sources.flatMap(({ configMap }) => configMap ?? []),
    ...sourceRefs.filter(({ kind }) => kind === 'ConfigMap'),
  ];
  const byLabel = references.some(({ key, includeAllKeys, selector }) => {
    const { matchLabels, matchExpressions } = selector;
    const labels = Object.entries(matchLabels);
    const takesKey = key === ANCHORS_KEY || key === '*' || includeAllKeys === true;
    const ours = labels.every(([label, value]) => label === FOREIGN_TRUST_LABEL && value === 'true');
    return takesKey && ours && labels.length > 0 && matchExpressions.length === 0;
  });
  if (byLabel) return 'label';
  const byName = references.some(({ name }) => name.startsWith(namePrefix));
  return byName ? 'name' : undefined;
}

/** The message of the condition `Synced` where it is not true. */
function faultOf(bundle: KubernetesObject): string | undefined {
  const fault = conditionsOf(bundle).find(({ type, status }) => type === 'Synced' && status !== 'True');
  return fault && JSON.stringify(`${String(fault.reason)}: ${String(fault.message)}`.slice(0, 300));
}

function isMigrated({ type, status }: Condition): boolean {
  return type === 'Migrated' && status === 'True';
}

function conditionsOf({ status }: KubernetesObject): readonly Condition[] {
  return STATUS.parse(status).conditions;
}
