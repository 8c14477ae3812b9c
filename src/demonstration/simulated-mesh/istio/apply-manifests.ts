import { readFile } from 'node:fs/promises';
import { parseAllDocuments } from 'yaml';
import { messageOf } from '../../../errors/index.ts';
import { isMapping } from '../../../objects/index.ts';
import { SimulatedMeshError } from '../errors.ts';
import { parseObject } from './check-object.ts';
import type { ObjectStore } from './object-store.ts';
import { RESOURCE_TYPES } from './resource-types.ts';

/**
 * Makes the objects of a YAML file, as the operator's `kubectl create -f` does, where they are not
 * there yet. Throws `SimulatedMeshError` `manifest-malformed`; the system's error where the file
 * cannot be read.
 */
export async function applyManifests(store: ObjectStore, file: string): Promise<void> {
  for (const [index, document] of parseAllDocuments(await readFile(file, 'utf8')).entries()) {
    const malformed = (why: string, cause?: unknown) =>
      new SimulatedMeshError('manifest-malformed', `document ${index + 1} of ${file}: ${why}`, { cause });
    const [error] = document.errors;
    if (error) throw malformed(error.message, error);
    const object: unknown = document.toJS({ maxAliasCount: 100 });
    if (object === null) continue;
    if (!isMapping(object)) throw malformed('it is not an object');
    const resource = RESOURCE_TYPES.find(({ kind }) => kind === object['kind']);
    if (!resource) throw malformed(`the kind ${JSON.stringify(object['kind'])} is not simulated`);
    const metadata = isMapping(object['metadata']) ? object['metadata'] : {};
    const namespace = typeof metadata['namespace'] === 'string' ? metadata['namespace'] : 'default';
    try {
      const input = parseObject(resource, object, { namespace });
      store.addNamespace(namespace);
      if (!store.get(resource, namespace, input.metadata.name)) store.create(resource, input);
    } catch (cause) {
      throw malformed(messageOf(cause), cause);
    }
  }
}
