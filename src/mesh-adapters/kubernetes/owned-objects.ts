import { isDeepStrictEqual } from 'node:util';
import { defined } from '../../objects/index.ts';
import type { Clock, Random } from '../../platform/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import type { ServiceFault } from '../contract/judge-imports.ts';
import { PeerWrites } from '../contract/peer-writes.ts';
import { retryConflicts } from '../contract/retry-conflicts.ts';
import type { KubernetesClient } from './kubernetes-client.ts';
import { collectionOf, type KubernetesCollection, type KubernetesObject } from './kubernetes-object.ts';
import {
  apiVersionOf,
  droppedField,
  fieldsOf,
  hasMarks,
  isOwned,
  keyOf,
  newObject,
  type OwnedKind,
  type OwnedObject,
  ownedSelector,
  type OwnerMark,
  replacement,
  subjectOf,
} from './owned-object.ts';

/** The objects of one subject, such as an import. Each one rests on those before it. */
export interface OwnedGroup {
  readonly subject: string;
  readonly objects: readonly OwnedObject[];
}

/** The outcome for one subject. */
export interface OwnedOutcome {
  readonly subject: string;
  readonly state: 'written' | 'refused' | 'failed' | 'removed';
  /** The reason for `refused` or `failed`. */
  readonly fault?: ServiceFault;
  /** The objects as the API server has them now. */
  readonly objects: readonly KubernetesObject[];
}

/** Keeps exactly the wanted objects of ours in a mesh, and reports on each subject. */
export interface ObjectHolder {
  /** Throws `MeshAdapterError` where the mesh cannot be read or written at all. */
  hold(groups: readonly OwnedGroup[], mark: OwnerMark, signal: AbortSignal): Promise<readonly OwnedOutcome[]>;
}

/** One present object, and how to reach it. */
interface Present {
  readonly kind: OwnedKind;
  readonly key: string;
  readonly object: KubernetesObject;
}

/** The version in which the API server has a kind, and our objects of that kind. */
interface Served {
  readonly version: string;
  readonly present: readonly Present[];
}

type Write = (how: 'write' | 'try') => Promise<KubernetesObject>;

/**
 * Keeps exactly the wanted objects in a cluster, under our marks. Objects without our marks are
 * never changed. Each subject is independent of the others: its objects are first tried (`dryRun`)
 * and then written in their order, so that a refusal leaves the subject as it was. What is not
 * wanted is deleted in the opposite order.
 */
export class OwnedObjects implements ObjectHolder {
  readonly #client: KubernetesClient;
  readonly #kinds: readonly OwnedKind[];
  readonly #clock: Clock;
  readonly #random: Random;
  /**
   * The fields that were sent, and what the API server made of them, by key. Because it may fill
   * fields in, the answer counts as what was sent.
   */
  readonly #written = new Map<string, { readonly sent: unknown; readonly answered: unknown }>();

  /** `kinds` in the order in which objects are written. */
  constructor(options: {
    readonly client: KubernetesClient;
    readonly kinds: readonly OwnedKind[];
    readonly clock: Clock;
    readonly random: Random;
  }) {
    this.#client = options.client;
    this.#kinds = options.kinds;
    this.#clock = options.clock;
    this.#random = options.random;
  }

  /**
   * Makes exactly the objects of these groups ours, and reports on each group and on what went.
   * Throws `MeshAdapterError` where the cluster cannot be read or written at all.
   */
  async hold(
    groups: readonly OwnedGroup[],
    mark: OwnerMark,
    signal: AbortSignal,
  ): Promise<readonly OwnedOutcome[]> {
    return await retryConflicts(
      (isLastTry) => new Holding(this.#parts(signal, mark), isLastTry).hold(groups),
      { clock: this.#clock, random: this.#random, signal },
    );
  }

  #parts(signal: AbortSignal, mark: OwnerMark): HoldingParts {
    return { client: this.#client, kinds: this.#kinds, written: this.#written, mark, signal };
  }
}

interface HoldingParts {
  readonly client: KubernetesClient;
  readonly kinds: readonly OwnedKind[];
  readonly written: Map<string, { readonly sent: unknown; readonly answered: unknown }>;
  readonly mark: OwnerMark;
  readonly signal: AbortSignal;
}

/** One comparison of the cluster with what is wanted. */
class Holding {
  readonly #parts: HoldingParts;
  readonly #writes: PeerWrites<string>;
  readonly #served = new Map<OwnedKind, Served>();
  readonly #present = new Map<string, Present>();

  constructor(parts: HoldingParts, isLastTry: boolean) {
    this.#parts = parts;
    // Every fault is in the outcome of its subject.
    this.#writes = new PeerWrites<string>(parts.signal, { isLastTry, noteTrouble: () => {} });
  }

  async hold(groups: readonly OwnedGroup[]): Promise<readonly OwnedOutcome[]> {
    for (const kind of this.#parts.kinds) await this.#look(kind);
    const wanted = new Map<string, string>();
    const outcomes: OwnedOutcome[] = [];
    for (const { subject, objects } of groups)
      for (const { kind, namespace, name } of objects)
        if (!wanted.has(keyOf(kind, namespace, name))) wanted.set(keyOf(kind, namespace, name), subject);
    const subjects = new Set(groups.map(({ subject }) => subject));
    outcomes.push(...(await this.#removeOthers(subjects, wanted)));
    for (const group of groups) outcomes.push(await this.#holdGroup(group, wanted));
    this.#writes.finish();
    return outcomes;
  }

  /** Finds the version that is served and our objects in it. */
  async #look(kind: OwnedKind): Promise<void> {
    const { client, mark, signal } = this.#parts;
    for (const version of kind.versions) {
      try {
        const selector = { labelSelector: ownedSelector(mark) };
        const { items } = await client.listObjects(collectionIn(kind, version), selector, signal);
        const present = items.map((object) => ({
          kind,
          key: keyOf(kind, object.metadata.namespace, object.metadata.name),
          object,
        }));
        this.#served.set(kind, { version, present });
        for (const each of present) this.#present.set(each.key, each);
        return;
      } catch (error) {
        if (!isCode(error, 'mesh-not-found')) throw error;
      }
    }
  }

  /** Deletes the objects of every subject that is not wanted. */
  async #removeOthers(
    subjects: ReadonlySet<string>,
    wanted: ReadonlyMap<string, string>,
  ): Promise<readonly OwnedOutcome[]> {
    const going = new Map<string, Present[]>();
    for (const each of this.#present.values()) {
      const subject = subjectOf(each.object);
      // Without its annotation an object belongs to the subject that wants it.
      if (subjects.has(subject) || wanted.has(each.key)) continue;
      going.set(subject, [...(going.get(subject) ?? []), each]);
    }
    const outcomes: OwnedOutcome[] = [];
    for (const [subject, objects] of going) {
      const fault = await this.#remove(subject, objects);
      outcomes.push(
        fault
          ? { subject, ...fault, objects: objects.map(({ object }) => object) }
          : { subject, state: 'removed', objects: [] },
      );
    }
    return outcomes;
  }

  /** Deletes objects of one subject, the last kind first, and stops at the first that stays. */
  async #remove(
    subject: string,
    objects: readonly Present[],
  ): Promise<Pick<OwnedOutcome, 'state' | 'fault'> | undefined> {
    const { client, signal, written } = this.#parts;
    const rank = ({ kind }: Present) => this.#parts.kinds.indexOf(kind);
    for (const { kind, key, object } of objects.toSorted((a, b) => rank(b) - rank(a))) {
      const collection = this.#collectionOf(kind, object.metadata.namespace);
      const fault = await this.#writes.attempt(subject === '' ? undefined : subject, () =>
        client.deleteObject(collection, object, signal),
      );
      if (fault) return { state: 'failed', fault };
      written.delete(key);
      this.#present.delete(key);
      if (hasFinalizers(object)) return { state: 'failed', fault: lingers(kind, object) };
    }
    return undefined;
  }

  async #holdGroup(
    { subject, objects }: OwnedGroup,
    wanted: ReadonlyMap<string, string>,
  ): Promise<OwnedOutcome> {
    const keys = new Set(objects.map(({ kind, namespace, name }) => keyOf(kind, namespace, name)));
    const mine = [...this.#present.values()].filter(({ object }) => subjectOf(object) === subject);
    const before = mine.map(({ object }) => object);
    for (const { kind, namespace, name } of objects) {
      const fault = this.#obstacle(subject, kind, wanted.get(keyOf(kind, namespace, name)), name);
      if (fault) return { subject, state: 'refused', fault, objects: before };
    }
    const held: KubernetesObject[] = [];
    const fault = await this.#writes.attempt(subject, async () => {
      const writes: { readonly key: string; readonly wanted: OwnedObject; readonly write: Write }[] = [];
      for (const each of objects) {
        const key = keyOf(each.kind, each.namespace, each.name);
        const present = this.#present.get(key)?.object;
        if (present && this.#isHeld(key, present, each, subject)) {
          held.push(present);
          continue;
        }
        writes.push({ key, wanted: each, write: await this.#tried(subject, each, present) });
      }
      for (const { key, wanted: each, write } of writes) {
        const answered = await write('write');
        this.#parts.written.set(key, { sent: each.fields, answered: fieldsOf(answered) });
        held.push(answered);
      }
    });
    if (fault) {
      const { state, code, message } = fault;
      const isRefused = state === 'refused' || REFUSALS.has(code);
      return { subject, state: isRefused ? 'refused' : 'failed', fault: { code, message }, objects: before };
    }
    const obsolete = mine.filter(({ key }) => !keys.has(key) && !wanted.has(key));
    const stays = await this.#remove(subject, obsolete);
    return stays ? { subject, ...stays, objects: held } : { subject, state: 'written', objects: held };
  }

  /** Why this object cannot be written at all. */
  #obstacle(
    subject: string,
    kind: OwnedKind,
    holder: string | undefined,
    name: string,
  ): ServiceFault | undefined {
    if (!this.#served.has(kind))
      return {
        code: 'kind-not-served',
        message: `the API server does not serve ${kind.plural}.${kind.group}, so nothing of ${subject} is written`,
      };
    if (holder === subject) return undefined;
    return { code: 'object-taken', message: `the ${kind.kind} ${name} is that of ${holder} already` };
  }

  /** Whether the object has the wanted content, or what the API server made of it. */
  #isHeld(key: string, present: KubernetesObject, wanted: OwnedObject, subject: string): boolean {
    const { mark, written } = this.#parts;
    if (!hasMarks(present, wanted, subject, mark)) return false;
    const fields = fieldsOf(present);
    if (isDeepStrictEqual(fields, wanted.fields)) return true;
    const last = written.get(key);
    return isDeepStrictEqual(last, { sent: wanted.fields, answered: fields });
  }

  /**
   * Tries a write and returns it. Throws what the API server answers, and `mesh-refused` where it
   * would drop a field.
   */
  async #tried(subject: string, wanted: OwnedObject, present: KubernetesObject | undefined): Promise<Write> {
    const write = this.#writeOf(subject, wanted, present);
    try {
      return await this.#try(wanted, write);
    } catch (error) {
      if (present || !isCode(error, 'mesh-conflict')) throw error;
      const { client, signal } = this.#parts;
      const collection = this.#collectionOf(wanted.kind, wanted.namespace);
      const there = await client.getObject(collection, wanted.name, signal);
      // Our labels were taken away, or another try of ours was faster.
      if (subjectOf(there) === subject) return await this.#try(wanted, this.#writeOf(subject, wanted, there));
      const whose = isOwned(there) ? 'that of another agent' : 'not ours';
      throw new MeshAdapterError(
        'object-not-ours',
        `the ${wanted.kind.kind} ${wanted.name} is there already, and it is ${whose}`,
      );
    }
  }

  async #try(wanted: OwnedObject, write: Write): Promise<Write> {
    const answered = await write('try');
    const dropped = droppedField(wanted.fields, answered);
    if (dropped === undefined) return write;
    throw new MeshAdapterError(
      'mesh-drops-field',
      `the API server does not keep ${dropped} of the ${wanted.kind.kind} ${wanted.name}, so nothing of it is written`,
    );
  }

  #writeOf(subject: string, wanted: OwnedObject, present: KubernetesObject | undefined): Write {
    const { client, mark, signal } = this.#parts;
    const { kind, namespace } = wanted;
    const collection = this.#collectionOf(kind, namespace);
    const apiVersion = apiVersionOf(kind, this.#served.get(kind)?.version ?? '');
    return present
      ? (how) =>
          client.replaceObject(
            collection,
            replacement(present, wanted, apiVersion, subject, mark),
            signal,
            how,
          )
      : (how) => client.createObject(collection, newObject(wanted, apiVersion, subject, mark), signal, how);
  }

  #collectionOf(kind: OwnedKind, namespace: string | undefined): KubernetesCollection {
    return collectionIn(kind, this.#served.get(kind)?.version ?? '', namespace);
  }
}

/** Errors of ours that another try does not mend. */
const REFUSALS: ReadonlySet<string> = new Set(['object-not-ours', 'mesh-drops-field']);

/** All objects of a kind, or those of one namespace. */
export function collectionIn(kind: OwnedKind, version: string, namespace?: string): KubernetesCollection {
  const api = kind.group === '' ? `api/${version}` : `apis/${kind.group}/${version}`;
  return collectionOf({ kind: kind.kind, api, plural: kind.plural, ...defined({ namespace }) });
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof MeshAdapterError && error.code === code;
}

/** Such an object stays, with all that it holds, until the owner of each finalizer lets it go. */
function hasFinalizers({ metadata: { finalizers } }: KubernetesObject): boolean {
  return Array.isArray(finalizers) && finalizers.length > 0;
}

function lingers({ kind }: OwnedKind, { metadata: { name } }: KubernetesObject): ServiceFault {
  return {
    code: 'mesh-not-gone',
    message: `the ${kind} ${name} is deleted, and stays with its content until its finalizers are taken away`,
  };
}
