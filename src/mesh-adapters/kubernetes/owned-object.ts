import { isDeepStrictEqual } from 'node:util';
import { isMapping } from '../../objects/index.ts';
import type { KubernetesObject } from './kubernetes-object.ts';

/** A kind of object that we write for services. */
export interface OwnedKind {
  /** Such as `ServiceEntry`. */
  readonly kind: string;
  readonly plural: string;
  /** Empty for the core group. */
  readonly group: string;
  /** The first that the API server serves is used. */
  readonly versions: readonly string[];
}

/** One object as it should be. */
export interface OwnedObject {
  readonly kind: OwnedKind;
  /** Absent for what belongs to the whole cluster. */
  readonly namespace?: string;
  readonly name: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  /** The fields next to `apiVersion`, `kind` and `metadata`, such as `spec`. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** The agent and the part of it that own an object. */
export interface OwnerMark {
  /** A label value: unique to the trust domain of the agent. */
  readonly owner: string;
  readonly part: 'import' | 'export' | 'access';
}

/** The agent that owns an object, and what the object is for. */
const OWNER_LABEL = 'federate.dev/services-of';
const PART_LABEL = 'federate.dev/part';
/** The subject, in an annotation, because a label is too short for it. */
const SUBJECT_ANNOTATION = 'federate.dev/subject';

/** Selects the objects of an owner. */
export function ownedSelector({ owner, part }: OwnerMark): string {
  return `${OWNER_LABEL}=${owner},${PART_LABEL}=${part}`;
}

/** Whether any agent of ours made this object for services. */
export function isOwned({ metadata: { labels = {} } }: KubernetesObject): boolean {
  return OWNER_LABEL in labels;
}

/** The subject of an object of ours; empty where the annotation was taken away. */
export function subjectOf({ metadata }: KubernetesObject): string {
  return metadata.annotations?.[SUBJECT_ANNOTATION] ?? '';
}

/** A key that is unique to the object. */
export function keyOf(kind: OwnedKind, namespace: string | undefined, name: string): string {
  return [kind.group, kind.plural, namespace ?? '', name].join('/');
}

/** `networking.istio.io/v1`, or `v1` in the core group. */
export function apiVersionOf({ group }: OwnedKind, version: string): string {
  return group === '' ? version : `${group}/${version}`;
}

/** The object with our marks, to be created. */
export function newObject(
  wanted: OwnedObject,
  apiVersion: string,
  subject: string,
  mark: OwnerMark,
): Readonly<Record<string, unknown>> {
  const { kind, namespace, name, fields } = wanted;
  const metadata = { name, ...(namespace !== undefined && { namespace }), ...marksOf(wanted, subject, mark) };
  return { apiVersion, kind: kind.kind, metadata, ...fields };
}

/** The present object with the wanted content: labels and annotations of others and the status stay. */
export function replacement(
  present: KubernetesObject,
  wanted: OwnedObject,
  apiVersion: string,
  subject: string,
  mark: OwnerMark,
): KubernetesObject {
  const marks = marksOf(wanted, subject, mark);
  const { metadata, status } = present;
  return {
    apiVersion,
    kind: wanted.kind.kind,
    metadata: {
      ...metadata,
      labels: { ...metadata.labels, ...marks.labels },
      annotations: { ...metadata.annotations, ...marks.annotations },
    },
    ...wanted.fields,
    ...(status !== undefined && { status }),
  };
}

/** Whether the present object has our marks, and the labels and annotations that are wanted. */
export function hasMarks(
  { metadata: { labels = {}, annotations = {} } }: KubernetesObject,
  wanted: OwnedObject,
  subject: string,
  mark: OwnerMark,
): boolean {
  const marks = marksOf(wanted, subject, mark);
  return isPart(marks.labels, labels) && isPart(marks.annotations, annotations);
}

/** The fields of an object that its writer decides about. */
export function fieldsOf({
  apiVersion: _api,
  kind: _kind,
  metadata: _metadata,
  status: _status,
  ...fields
}: KubernetesObject): Readonly<Record<string, unknown>> {
  return fields;
}

/**
 * The path of the first field that was sent and is not in the answer with its value; undefined where
 * all of them are. An API server drops fields that its definition of the kind lacks.
 */
export function droppedField(sent: unknown, answered: unknown, path = ''): string | undefined {
  if (Array.isArray(sent)) {
    if (!Array.isArray(answered) || answered.length !== sent.length) return path;
    return firstOf(sent.map((each, index) => () => droppedField(each, answered[index], `${path}[${index}]`)));
  }
  if (isMapping(sent)) {
    if (!isMapping(answered)) return path;
    return firstOf(
      Object.entries(sent).map(
        ([key, value]) =>
          () =>
            droppedField(value, answered[key], path === '' ? key : `${path}.${key}`),
      ),
    );
  }
  return isDeepStrictEqual(sent, answered) ? undefined : path;
}

function firstOf(looks: readonly (() => string | undefined)[]): string | undefined {
  for (const look of looks) {
    const found = look();
    if (found !== undefined) return found;
  }
  return undefined;
}

function marksOf(
  { labels, annotations }: Pick<OwnedObject, 'labels' | 'annotations'>,
  subject: string,
  { owner, part }: OwnerMark,
) {
  return {
    labels: { ...labels, [OWNER_LABEL]: owner, [PART_LABEL]: part },
    annotations: { ...annotations, [SUBJECT_ANNOTATION]: subject },
  };
}

function isPart(some: Readonly<Record<string, string>>, all: Readonly<Record<string, string>>): boolean {
  return Object.entries(some).every(([key, value]) => all[key] === value);
}
