import { randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { defined } from '../../../objects/index.ts';
import { type Clock, Listeners } from '../../../platform/index.ts';
import type { KubernetesObject, ObjectInput } from './kubernetes-object.ts';
import { KubernetesError } from './kubernetes-status.ts';
import { checkObject } from './check-object.ts';
import { qualifiedName, type ResourceType } from './resource-types.ts';

type ChangeType = 'ADDED' | 'MODIFIED' | 'DELETED';

/**
 * One change of the store; `before` is the earlier object, for watches with a selector that it
 * left.
 */
export interface Change {
  readonly type: ChangeType;
  readonly version: number;
  readonly resource: ResourceType;
  readonly object: KubernetesObject;
  readonly before?: KubernetesObject;
}

/** What is written to disk; instants and versions continue after a restart. */
export interface StoreSnapshot {
  readonly version: number;
  readonly namespaces: readonly string[];
  readonly objects: readonly { readonly resource: string; readonly object: KubernetesObject }[];
}

/** Changes that a watch can still be resumed from. */
const KEPT_CHANGES = 1000;

/**
 * The objects of a cluster as its API server keeps them. All of them share one growing
 * `resourceVersion`, and a write names the version that it replaces. Watches resume from a bounded
 * list of changes.
 */
export class ObjectStore {
  readonly #objects = new Map<string, KubernetesObject>();
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
    for (const { resource, object } of options.snapshot?.objects ?? [])
      this.#objects.set(keyOf(resource, object.metadata), object);
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

  get(resource: ResourceType, namespace: string, name: string): KubernetesObject | undefined {
    return this.#objects.get(keyOf(resource.plural, { namespace, name }));
  }

  /** All of one namespace, or of all where none is named, by namespace and name. */
  list(resource: ResourceType, namespace?: string): KubernetesObject[] {
    const prefix = `${resource.plural}/`;
    return [...this.#objects.entries()]
      .filter(([key]) => key.startsWith(prefix))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([, object]) => object)
      .filter((object) => namespace === undefined || object.metadata.namespace === namespace);
  }

  /**
   * With `dryRun` nothing is kept. Throws `KubernetesError`: `NotFound` (namespace), `AlreadyExists`,
   * `BadRequest`, `Invalid`.
   */
  create(resource: ResourceType, input: ObjectInput, dryRun = false): KubernetesObject {
    const { name, namespace } = input.metadata;
    checkObject(resource, input);
    if (!this.#namespaces.has(namespace)) {
      throw new KubernetesError('NotFound', `namespaces ${JSON.stringify(namespace)} not found`);
    }
    if (input.metadata.resourceVersion) {
      throw new KubernetesError('BadRequest', 'resourceVersion should not be set on objects to be created');
    }
    if (this.get(resource, namespace, name)) {
      throw new KubernetesError(
        'AlreadyExists',
        `${qualifiedName(resource)} ${JSON.stringify(name)} already exists`,
      );
    }
    const kept = {
      uid: randomUUID(),
      creationTimestamp: `${this.#clock.now().toISOString().slice(0, 19)}Z`,
    };
    if (dryRun) return this.#render(resource, input, kept);
    return this.#put('ADDED', resource, this.#render(resource, input, kept, this.#version + 1));
  }

  /**
   * Replaces an object. Equal content writes nothing and keeps the version, and with `dryRun` nothing
   * is kept. Throws `KubernetesError`: `NotFound`, `Conflict` where `resourceVersion` is not the
   * present one, `Invalid`.
   */
  update(resource: ResourceType, input: ObjectInput, dryRun = false): KubernetesObject {
    checkObject(resource, input);
    const held = this.#held(resource, input.metadata.namespace, input.metadata.name);
    expectVersion(resource, held, input.metadata);
    if (isDeepStrictEqual(contentOf(input), contentOf(inputOf(held)))) return held;
    if (dryRun) return this.#render(resource, input, held.metadata);
    return this.#put(
      'MODIFIED',
      resource,
      this.#render(resource, input, held.metadata, this.#version + 1),
      held,
    );
  }

  /** Throws `KubernetesError`: `NotFound`, `Conflict` where a precondition does not hold. */
  delete(
    resource: ResourceType,
    { namespace, name }: { readonly namespace: string; readonly name: string },
    preconditions: { uid?: string; resourceVersion?: string } = {},
  ): KubernetesObject {
    const held = this.#held(resource, namespace, name);
    expectVersion(resource, held, preconditions);
    this.#objects.delete(keyOf(resource.plural, held.metadata));
    this.#version += 1;
    const object = { ...held, metadata: { ...held.metadata, resourceVersion: String(this.#version) } };
    this.#announce({ type: 'DELETED', version: this.#version, resource, object, before: held });
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
    return {
      version: this.#version,
      namespaces: this.namespaces(),
      objects: [...this.#objects.entries()]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .map(([key, object]) => ({ resource: key.slice(0, key.indexOf('/')), object })),
    };
  }

  #held(resource: ResourceType, namespace: string, name: string): KubernetesObject {
    const held = this.get(resource, namespace, name);
    if (held) return held;
    throw new KubernetesError('NotFound', `${qualifiedName(resource)} ${JSON.stringify(name)} not found`);
  }

  #render(
    resource: ResourceType,
    input: ObjectInput,
    kept: { readonly uid: string; readonly creationTimestamp: string },
    version = this.#version,
  ): KubernetesObject {
    const { name, namespace } = input.metadata;
    const { labels, annotations, ...content } = contentOf(input);
    return {
      apiVersion: resource.group === '' ? resource.version : `${resource.group}/${resource.version}`,
      kind: resource.kind,
      metadata: {
        name,
        namespace,
        uid: kept.uid,
        resourceVersion: String(version),
        creationTimestamp: kept.creationTimestamp,
        ...defined({ labels, annotations }),
      },
      ...content,
    };
  }

  #put(
    type: 'ADDED' | 'MODIFIED',
    resource: ResourceType,
    object: KubernetesObject,
    before?: KubernetesObject,
  ): KubernetesObject {
    this.#version += 1;
    this.#objects.set(keyOf(resource.plural, object.metadata), object);
    this.#announce({ type, version: this.#version, resource, object, ...defined({ before }) });
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

function expectVersion(
  resource: ResourceType,
  held: KubernetesObject,
  wanted: { readonly uid?: string; readonly resourceVersion?: string },
): void {
  const { name, uid, resourceVersion } = held.metadata;
  const stale = wanted.resourceVersion && wanted.resourceVersion !== resourceVersion;
  if (!stale && (wanted.uid === undefined || wanted.uid === uid)) return;
  throw new KubernetesError(
    'Conflict',
    `Operation cannot be fulfilled on ${qualifiedName(resource)} ${JSON.stringify(name)}: the object has been modified; please apply your changes to the latest version and try again`,
  );
}

function keyOf(
  plural: string,
  { namespace, name }: { readonly namespace: string; readonly name: string },
): string {
  return `${plural}/${namespace}/${name}`;
}

function inputOf({ metadata, ...object }: KubernetesObject): ObjectInput {
  const isContent = ([member]: [string, unknown]) => member !== 'apiVersion' && member !== 'kind';
  return { metadata, content: Object.fromEntries(Object.entries(object).filter(isContent)) };
}

/** What a client may change; empty maps count as absent, as the API server drops them. */
function contentOf({ metadata: { labels, annotations }, content }: ObjectInput) {
  const filled = Object.entries({ ...content, labels, annotations }).filter(
    ([, value]) => typeof value === 'object' && value !== null && Object.keys(value).length > 0,
  );
  return Object.fromEntries(filled) as {
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
}
