import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { defined } from '../../../objects/index.ts';
import { type Clock, Listeners } from '../../../platform/index.ts';
import type { ConfigMap, ConfigMapInput } from './kubernetes-object.ts';
import { KubernetesError } from './kubernetes-status.ts';
import { checkConfigMap } from './check-config-map.ts';

type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED';

/**
 * One change of the store; `before` is the earlier object, for watches with a selector that it
 * left.
 */
export interface Change {
  readonly type: ChangeType;
  readonly version: number;
  readonly object: ConfigMap;
  readonly before?: ConfigMap;
}

/** What is written to disk; instants and versions continue after a restart. */
export interface StoreSnapshot {
  readonly version: number;
  readonly namespaces: readonly string[];
  readonly configMaps: readonly ConfigMap[];
}

/** Changes that a watch can still be resumed from. */
const KEPT_CHANGES = 1000;

/**
 * The ConfigMaps of a cluster as its API server keeps them: one growing `resourceVersion` for all,
 * writes that name the version they replace, and a bounded list of changes that watches resume
 * from.
 */
export class ConfigMapStore {
  readonly #objects = new Map<string, ConfigMap>();
  readonly #namespaces = new Set<string>();
  readonly #listeners = new Listeners<[Change]>();
  readonly #clock: Clock;
  readonly #save: (snapshot: StoreSnapshot) => void;
  #changes: Change[] = [];
  #version: number;
  /** A watch from a version below this one has missed changes that are no longer stored. */
  #compactedVersion: number;

  constructor(options: {
    readonly snapshot?: StoreSnapshot | undefined;
    readonly clock: Clock;
    /** Called after every change. */
    readonly save: (snapshot: StoreSnapshot) => void;
  }) {
    this.#clock = options.clock;
    this.#save = options.save;
    this.#version = options.snapshot?.version ?? 1;
    this.#compactedVersion = this.#version;
    for (const name of options.snapshot?.namespaces ?? []) this.#namespaces.add(name);
    for (const object of options.snapshot?.configMaps ?? [])
      this.#objects.set(keyOf(object.metadata), object);
  }

  get version(): number {
    return this.#version;
  }

  get compactedVersion(): number {
    return this.#compactedVersion;
  }

  namespaces(): string[] {
    return [...this.#namespaces].toSorted();
  }

  addNamespace(name: string): void {
    if (this.#namespaces.has(name)) return;
    this.#namespaces.add(name);
    this.#version += 1;
    this.#save(this.snapshot());
  }

  get(namespace: string, name: string): ConfigMap | undefined {
    return this.#objects.get(keyOf({ namespace, name }));
  }

  /** All of one namespace, or of all where none is named, by namespace and name. */
  list(namespace?: string): ConfigMap[] {
    return [...this.#objects.entries()]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object)
      .filter((object) => namespace === undefined || object.metadata.namespace === namespace);
  }

  /** Throws `KubernetesError`: `NotFound` (namespace), `AlreadyExists`, `BadRequest`, `Invalid`. */
  create(input: ConfigMapInput): ConfigMap {
    const { name, namespace } = input.metadata;
    checkConfigMap(input);
    if (!this.#namespaces.has(namespace)) {
      throw new KubernetesError('NotFound', `namespaces ${JSON.stringify(namespace)} not found`);
    }
    if (input.metadata.resourceVersion) {
      throw new KubernetesError('BadRequest', 'resourceVersion should not be set on objects to be created');
    }
    if (this.get(namespace, name)) {
      throw new KubernetesError('AlreadyExists', `configmaps ${JSON.stringify(name)} already exists`);
    }
    return this.#put('ADDED', input, {
      uid: randomUUID(),
      creationTimestamp: `${this.#clock.now().toISOString().slice(0, 19)}Z`,
    });
  }

  /**
   * Replaces an object. Equal content writes nothing and keeps the version. Throws
   * `KubernetesError`: `NotFound`, `Conflict` where `resourceVersion` is not the present one,
   * `Invalid`.
   */
  update(input: ConfigMapInput): ConfigMap {
    checkConfigMap(input);
    const held = this.#held(input.metadata.namespace, input.metadata.name);
    this.#expectVersion(held, input.metadata);
    const { resourceVersion: _, ...metadata } = held.metadata;
    const same = isDeepStrictEqual(contentOf(input), contentOf(held));
    return same ? held : this.#put('MODIFIED', input, metadata, held);
  }

  /** Throws `KubernetesError`: `NotFound`, `Conflict` where a precondition does not hold. */
  delete(
    namespace: string,
    name: string,
    preconditions: { uid?: string; resourceVersion?: string } = {},
  ): ConfigMap {
    const held = this.#held(namespace, name);
    this.#expectVersion(held, preconditions);
    this.#objects.delete(keyOf(held.metadata));
    this.#version += 1;
    const object = { ...held, metadata: { ...held.metadata, resourceVersion: String(this.#version) } };
    this.#announce({ type: 'DELETED', version: this.#version, object, before: held });
    return object;
  }

  /**
   * The changes after `version`, oldest first. Throws `KubernetesError` `Expired` where some of
   * them are no longer stored.
   */
  changesAfter(version: number): readonly Change[] {
    if (version < this.#compactedVersion) {
      throw new KubernetesError(
        'Expired',
        `too old resource version: ${version} (${this.#compactedVersion})`,
      );
    }
    return this.#changes.filter((change) => change.version > version);
  }

  /**
   * Forgets all changes so far, as etcd does in time: watches can be resumed from the present
   * version on.
   */
  compact(): void {
    this.#changes = [];
    this.#compactedVersion = this.#version;
  }

  /** Calls back on every change. Returns what ends that. */
  readonly onChange = this.#listeners.add;

  snapshot(): StoreSnapshot {
    return { version: this.#version, namespaces: this.namespaces(), configMaps: this.list() };
  }

  #held(namespace: string, name: string): ConfigMap {
    const held = this.get(namespace, name);
    if (held) return held;
    throw new KubernetesError('NotFound', `configmaps ${JSON.stringify(name)} not found`);
  }

  #expectVersion(held: ConfigMap, wanted: { uid?: string; resourceVersion?: string }): void {
    const { name, uid, resourceVersion } = held.metadata;
    const stale = wanted.resourceVersion && wanted.resourceVersion !== resourceVersion;
    if (!stale && (wanted.uid === undefined || wanted.uid === uid)) return;
    throw new KubernetesError(
      'Conflict',
      `Operation cannot be fulfilled on configmaps ${JSON.stringify(name)}: the object has been modified; please apply your changes to the latest version and try again`,
    );
  }

  #put(
    type: 'ADDED' | 'MODIFIED',
    input: ConfigMapInput,
    kept: { readonly uid: string; readonly creationTimestamp: string },
    before?: ConfigMap,
  ): ConfigMap {
    this.#version += 1;
    const { name, namespace } = input.metadata;
    const { labels, annotations, data, binaryData } = contentOf(input);
    const object: ConfigMap = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        name,
        namespace,
        uid: kept.uid,
        resourceVersion: String(this.#version),
        creationTimestamp: kept.creationTimestamp,
        ...defined({ labels, annotations }),
      },
      ...defined({ data, binaryData }),
    };
    this.#objects.set(keyOf(object.metadata), object);
    this.#announce({ type, version: this.#version, object, ...defined({ before }) });
    return object;
  }

  #announce(change: Change): void {
    this.#changes.push(change);
    if (this.#changes.length > KEPT_CHANGES) {
      this.#compactedVersion = this.#changes.shift()?.version ?? this.#compactedVersion;
    }
    this.#save(this.snapshot());
    this.#listeners.notify(change);
  }
}

function keyOf({ namespace, name }: { readonly namespace: string; readonly name: string }): string {
  return `${namespace}/${name}`;
}

/** What a client may change; empty maps count as absent, as the API server drops them. */
function contentOf({ metadata: { labels, annotations }, data, binaryData }: ConfigMapInput) {
  return {
    labels: filled(labels),
    annotations: filled(annotations),
    data: filled(data),
    binaryData: filled(binaryData),
  };
}

function filled(map: Readonly<Record<string, string>> | undefined) {
  return map && Object.keys(map).length > 0 ? map : undefined;
}
