import type { Clock, Random } from '../../platform/index.ts';
import { backoffMs } from '../backoff.ts';
import { MeshAdapterError } from '../errors.ts';
import type { ConfigMap } from './config-map.ts';
import type { ConfigMapName, KubernetesClient } from './kubernetes-client.ts';

/**
 * Tells the object now (undefined: it is not there) and after each change until the signal aborts: list, then watch from
 * the list's version; a watch that ends goes on where it was, one whose version is too old begins with a list again,
 * and trouble is told and followed by a growing pause.
 */
export async function watchConfigMap(options: {
  readonly client: KubernetesClient;
  readonly target: ConfigMapName;
  readonly onObject: (object: ConfigMap | undefined) => void;
  readonly onContact: () => void;
  readonly onTrouble: (error: unknown) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { client, target, onObject, onContact, onTrouble, clock, random, signal } = options;
  let version: string | undefined;
  let failures = 0;
  while (!signal.aborted) {
    try {
      if (version === undefined) {
        const list = await client.list(target, signal);
        version = list.resourceVersion;
        onContact();
        onObject(list.object);
      }
      let silent = true;
      for await (const event of client.watch(target, version, signal)) {
        onContact();
        if (event.kind === 'open') continue;
        silent = false;
        failures = 0;
        version = event.resourceVersion;
        if (event.kind !== 'bookmark') onObject(event.object);
      }
      // A server that ends every watch at once must not keep us busy.
      failures = silent ? failures + 1 : 0;
    } catch (error) {
      if (signal.aborted) return;
      failures += 1;
      const code = error instanceof MeshAdapterError ? error.code : undefined;
      // Only a broken connection leaves the version good; it says what was missed meanwhile.
      if (code !== 'mesh-unreachable') version = undefined;
      // Too old is the ordinary end of a long silence: list at once, but only once in a row.
      if (code === 'mesh-expired' && failures === 1) continue;
      onTrouble(error);
    }
    try {
      if (failures > 0) await clock.sleep(backoffMs(failures, random), signal);
    } catch {
      return;
    }
  }
}
