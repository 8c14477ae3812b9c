import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { Clock, Random } from '../../platform/index.ts';
import { PeerWrites } from '../contract/peer-writes.ts';
import { retryConflicts } from '../contract/retry-conflicts.ts';
import type { OwnedKind, OwnedObject, OwnerMark } from '../kubernetes/owned-object.ts';
import type { ObjectHolder, OwnedGroup, OwnedOutcome } from '../kubernetes/owned-objects.ts';
import type { KumaResource, KumaRestApi } from './rest-api.ts';

const OWNER_LABEL = 'federate.dev/services-of';
const PART_LABEL = 'federate.dev/part';
const SUBJECT_LABEL = 'federate.dev/subject';

export interface RestObjectsOptions {
  readonly api: KumaRestApi;
  /** In the order of writing. */
  readonly kinds: readonly OwnedKind[];
  /** Labels of everything that we make. */
  readonly labels: Readonly<Record<string, string>>;
  /** Whether the control plane fills fields in, so that more may be there than was sent. */
  readonly fillsIn: boolean;
  readonly clock: Clock;
  readonly random: Random;
}

/** One resource of ours as it is in the mesh. */
interface Present {
  readonly kind: OwnedKind;
  readonly resource: KumaResource;
}

/**
 * Keeps exactly the wanted resources in a mesh of Kuma, under our labels, by REST. Resources without
 * our labels are never changed. Each subject is independent of the others.
 */
export class RestObjects implements ObjectHolder {
  readonly #options: RestObjectsOptions;
  /** The subjects by their label, which has no room for them. */
  readonly #subjects = new Map<string, string>();

  constructor(options: RestObjectsOptions) {
    this.#options = options;
  }

  async hold(
    groups: readonly OwnedGroup[],
    mark: OwnerMark,
    signal: AbortSignal,
  ): Promise<readonly OwnedOutcome[]> {
    const { clock, random } = this.#options;
    return await retryConflicts((isLastTry) => this.#holdOnce(groups, mark, isLastTry, signal), {
      clock,
      random,
      signal,
    });
  }

  async #holdOnce(
    groups: readonly OwnedGroup[],
    mark: OwnerMark,
    isLastTry: boolean,
    signal: AbortSignal,
  ): Promise<readonly OwnedOutcome[]> {
    const { api, kinds } = this.#options;
    const writes = new PeerWrites<string>(signal, { isLastTry, noteTrouble: () => {} });
    const present: Present[] = [];
    const others = new Set<string>();
    for (const kind of kinds)
      for (const resource of await api.list(kind.plural, signal))
        if (isMarked(resource, mark)) present.push({ kind, resource });
        else others.add(keyOf(kind, resource.name));
    const wanted = new Set(
      groups.flatMap(({ objects }) => objects.map(({ kind, name }) => keyOf(kind, name))),
    );
    const kept = new Set(groups.map(({ subject }) => labelOf(subject)));
    const outcomes: OwnedOutcome[] = [];
    const going = Map.groupBy(
      present.filter(({ resource }) => !kept.has(subjectLabelOf(resource))),
      ({ resource }) => subjectLabelOf(resource),
    );
    for (const [label, objects] of going) {
      const subject = this.#subjects.get(label) ?? '';
      const fault = await this.#remove(subject, objects, writes, signal);
      outcomes.push({ subject, state: fault ? 'failed' : 'removed', ...(fault && { fault }), objects: [] });
    }
    for (const { subject, objects } of groups) {
      this.#subjects.set(labelOf(subject), subject);
      const taken = objects.find(({ kind, name }) => others.has(keyOf(kind, name)));
      if (taken) {
        const message = `the ${taken.kind.kind} ${taken.name} is there already, and it is not ours`;
        outcomes.push({
          subject,
          state: 'refused',
          fault: { code: 'object-not-ours', message },
          objects: [],
        });
        continue;
      }
      const fault = await writes.attempt(subject, () => this.#write(subject, objects, present, mark, signal));
      if (fault) {
        const { state, code, message } = fault;
        outcomes.push({ subject, state, fault: { code, message }, objects: [] });
        continue;
      }
      const obsolete = present.filter(
        ({ kind, resource }) =>
          subjectLabelOf(resource) === labelOf(subject) && !wanted.has(keyOf(kind, resource.name)),
      );
      const stays = await this.#remove(subject, obsolete, writes, signal);
      outcomes.push({
        subject,
        state: stays ? 'failed' : 'written',
        ...(stays && { fault: stays }),
        objects: [],
      });
    }
    writes.finish();
    return outcomes;
  }

  async #write(
    subject: string,
    objects: readonly OwnedObject[],
    present: readonly Present[],
    { owner, part }: OwnerMark,
    signal: AbortSignal,
  ): Promise<void> {
    for (const { kind, name, labels: more, fields } of objects) {
      const marks = { [OWNER_LABEL]: owner, [PART_LABEL]: part, [SUBJECT_LABEL]: labelOf(subject) };
      const labels = { ...this.#options.labels, ...more, ...marks };
      const held = present.find((each) => each.kind === kind && each.resource.name === name)?.resource;
      if (held && isHeld(held, labels, fields, this.#options.fillsIn)) continue;
      await this.#options.api.put(kind.plural, name, { type: kind.kind, labels, ...fields }, signal);
    }
  }

  /** Deletes resources of one subject, the last kind first, and stops at the first that stays. */
  async #remove(
    subject: string,
    objects: readonly Present[],
    writes: PeerWrites<string>,
    signal: AbortSignal,
  ): Promise<OwnedOutcome['fault']> {
    const { api, kinds } = this.#options;
    const rank = ({ kind }: Present) => kinds.indexOf(kind);
    for (const { kind, resource } of objects.toSorted((a, b) => rank(b) - rank(a))) {
      const fault = await writes.attempt(subject === '' ? undefined : subject, () =>
        api.delete(kind.plural, resource.name, signal),
      );
      if (fault) return { code: fault.code, message: fault.message };
    }
    return undefined;
  }
}

/** Kuma adds labels of its own, and fills fields in where `fillsIn` is set. */
function isHeld(
  held: KumaResource,
  labels: Readonly<Record<string, string>>,
  fields: Readonly<Record<string, unknown>>,
  fillsIn: boolean,
): boolean {
  const isSame = fillsIn ? isPart : isDeepStrictEqual;
  return (
    Object.entries(labels).every(([key, value]) => held.labels?.[key] === value) &&
    Object.entries(fields).every(([key, value]) => isSame(value, held[key]))
  );
}

function isPart(sent: unknown, held: unknown): boolean {
  if (Array.isArray(sent))
    return (
      Array.isArray(held) &&
      held.length === sent.length &&
      sent.every((each, index) => isPart(each, held[index]))
    );
  if (typeof sent !== 'object' || sent === null) return isDeepStrictEqual(sent, held);
  if (typeof held !== 'object' || held === null) return false;
  const found = new Map(Object.entries(held));
  return Object.entries(sent).every(([key, value]) => isPart(value, found.get(key)));
}

function isMarked({ labels }: KumaResource, { owner, part }: OwnerMark): boolean {
  return labels?.[OWNER_LABEL] === owner && labels[PART_LABEL] === part;
}

function subjectLabelOf({ labels }: KumaResource): string {
  return labels?.[SUBJECT_LABEL] ?? '';
}

/** A label value for a subject of any length. */
function labelOf(subject: string): string {
  return createHash('sha256').update(subject).digest('hex').slice(0, 32);
}

function keyOf({ plural }: OwnedKind, name: string): string {
  return `${plural}/${name}`;
}
