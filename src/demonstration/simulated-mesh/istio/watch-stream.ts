import { type Clock, pause } from '../../../platform/index.ts';
import type { KubernetesObject } from './kubernetes-object.ts';
import { KubernetesError, type StatusDocument } from './kubernetes-status.ts';
import type { Change, ObjectStore } from './object-store.ts';
import type { ResourceType } from './resource-types.ts';
import type { Selector } from './selectors.ts';

type WatchEvent =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: KubernetesObject }
  | { readonly type: 'BOOKMARK'; readonly object: unknown }
  | { readonly type: 'ERROR'; readonly object: StatusDocument };

const BOOKMARK_EVERY_MS = 60_000;
/** Events a slow client may be behind before it is cut off; it can resume from its last version. */
const MAX_QUEUED = 1000;

/**
 * The body of a watch, one JSON event a line. It starts after `fromVersion`, or with all objects
 * where that is 0. The time limit, the client or the server ends it. A version that was compacted
 * away gives one `ERROR` with `410 Gone`, and the client lists again.
 */
export function watchStream(options: {
  readonly store: ObjectStore;
  readonly resource: ResourceType;
  readonly namespace?: string | undefined;
  readonly selector: Selector;
  readonly fromVersion: number;
  readonly bookmarks: boolean;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly onEnd: () => void;
}): ReadableStream<Uint8Array> {
  const { store, resource, clock, namespace, selector } = options;
  const ended = new AbortController();
  const over = AbortSignal.any([ended.signal, options.signal]);
  let cancelled = false;
  const matches = (object: KubernetesObject | undefined) =>
    object !== undefined &&
    (namespace === undefined || object.metadata.namespace === namespace) &&
    selector(object);

  const start = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    const send = (event: WatchEvent) => {
      if (over.aborted) return;
      if ((controller.desiredSize ?? 0) < -MAX_QUEUED) ended.abort();
      else controller.enqueue(Buffer.from(`${JSON.stringify(event)}\n`));
    };
    const sendChange = (change: Change) => {
      const event = change.resource === resource ? eventOf(change, matches) : undefined;
      if (event) send(event);
    };
    const bookmark = () => send({ type: 'BOOKMARK', object: bookmarkObject(resource, store.version) });
    const unsubscribe = store.onChange(sendChange);
    over.addEventListener(
      'abort',
      () => {
        unsubscribe();
        options.onEnd();
        if (!cancelled) controller.close();
      },
      { once: true },
    );
    try {
      if (options.fromVersion === 0) {
        for (const object of store.list(resource, namespace))
          if (matches(object)) send({ type: 'ADDED', object });
      } else for (const change of store.changesAfter(options.fromVersion)) sendChange(change);
    } catch (error) {
      if (!(error instanceof KubernetesError)) throw error;
      send({ type: 'ERROR', object: error.toStatus({ kind: resource.plural }) });
      ended.abort();
      return;
    }
    void keepAlive({
      clock,
      over,
      timeoutMs: options.timeoutMs,
      bookmark: options.bookmarks ? bookmark : undefined,
    }).then(() => ended.abort());
  };
  const cancel = () => {
    cancelled = true;
    ended.abort();
  };
  return new ReadableStream({ start, cancel });
}

/**
 * Sends bookmarks until the timeout, one more right before it, and resolves then or when the watch
 * is over.
 */
async function keepAlive(options: {
  readonly clock: Clock;
  readonly over: AbortSignal;
  readonly timeoutMs: number;
  readonly bookmark: (() => void) | undefined;
}): Promise<void> {
  const end = options.clock.monotonicMs() + options.timeoutMs;
  for (;;) {
    const left = end - options.clock.monotonicMs();
    if (left <= 0 || options.over.aborted) return;
    if (!(await pause(options.clock, Math.min(left, BOOKMARK_EVERY_MS), options.over))) return;
    options.bookmark?.();
  }
}

/**
 * A change as seen through a selector: an object that enters it is ADDED, one that leaves it is
 * DELETED.
 */
function eventOf(
  change: Change,
  matches: (object: KubernetesObject | undefined) => boolean,
): WatchEvent | undefined {
  const before = matches(change.before);
  if (change.type === 'DELETED') return before ? { type: 'DELETED', object: change.object } : undefined;
  const after = matches(change.object);
  if (after) return { type: before ? 'MODIFIED' : 'ADDED', object: change.object };
  if (!before || !change.before) return undefined;
  const { resourceVersion } = change.object.metadata;
  return {
    type: 'DELETED',
    object: { ...change.before, metadata: { ...change.before.metadata, resourceVersion } },
  };
}

function bookmarkObject({ group, version: apiVersion, kind }: ResourceType, version: number) {
  return {
    kind,
    apiVersion: group === '' ? apiVersion : `${group}/${apiVersion}`,
    metadata: { resourceVersion: String(version), creationTimestamp: null },
  };
}
