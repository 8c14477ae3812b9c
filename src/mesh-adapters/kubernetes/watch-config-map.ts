import { type ConfigMap, type ConfigMapName, configMapsOf, parseConfigMap } from './config-map.ts';
import { watchObjects, type WatchOptions } from './watch-objects.ts';

/**
 * Reports one ConfigMap now (undefined: it does not exist) and after each change until the signal
 * aborts, as `watchObjects` does.
 */
export async function watchConfigMap(
  options: WatchOptions & {
    readonly target: ConfigMapName;
    readonly onObject: (object: ConfigMap | undefined) => void;
  },
): Promise<void> {
  const { target, onObject, ...watch } = options;
  await watchObjects({
    ...watch,
    collection: configMapsOf(target.namespace),
    selector: { fieldSelector: `metadata.name=${target.name}` },
    onObjects: (objects) => {
      const object = objects.get(target.name);
      onObject(object && parseConfigMap(object));
    },
  });
}
