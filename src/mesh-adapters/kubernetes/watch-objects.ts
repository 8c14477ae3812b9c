import { type Clock, pause, type Random } from '../../platform/index.ts';
import { backoffMs } from '../contract/backoff.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import type { KubernetesClient, ObjectSelector } from './kubernetes-client.ts';
import type { KubernetesCollection, KubernetesObject } from './kubernetes-object.ts';

export interface WatchOptions {
  readonly client: KubernetesClient;
  readonly onContact: () => void;
  readonly onTrouble: (error: unknown) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}

/**
 * Reports the selected objects by name now and after each change until the signal aborts: it lists,
 * then watches from the list's version. A watch that ends in good order continues from there. After
 * any other end a pause that grows follows, and then a new list.
 */
export async function watchObjects(
  options: WatchOptions & {
    readonly collection: KubernetesCollection;
    readonly selector: ObjectSelector;
    readonly onObjects: (objects: ReadonlyMap<string, KubernetesObject>) => void;
  },
): Promise<void> {
  const { client, collection, selector, onObjects, onContact, onTrouble, clock, random, signal } = options;
  const objects = new Map<string, KubernetesObject>();
  let version: string | undefined;
  let failures = 0;
  while (!signal.aborted) {
    try {
      if (version === undefined) {
        const list = await client.listObjects(collection, selector, signal);
        version = list.resourceVersion;
        objects.clear();
        for (const object of list.items) objects.set(object.metadata.name, object);
        onContact();
        onObjects(objects);
      }
      let silent = true;
      for await (const event of client.watchObjects(collection, selector, version, signal)) {
        onContact();
        if (event.kind === 'open') continue;
        silent = false;
        failures = 0;
        version = event.resourceVersion;
        if (event.kind === 'bookmark') continue;
        const { name } = event.object.metadata;
        if (event.kind === 'gone') objects.delete(name);
        else objects.set(name, event.object);
        onObjects(objects);
      }
      // A server that ends every watch at once must not cause a busy loop.
      failures = silent ? failures + 1 : 0;
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      const code = error instanceof MeshAdapterError ? error.code : undefined;
      // A cluster that answers again may be restored from a backup, with versions that start at an
      // older one.
      version = undefined;
      // Too old is the ordinary end of a long silence: list at once, but only once in a row.
      if (code === 'mesh-expired' && failures === 1) continue;
      onTrouble(error);
    }
    if (failures > 0 && !(await pause(clock, backoffMs(failures, random), signal))) return;
  }
}
