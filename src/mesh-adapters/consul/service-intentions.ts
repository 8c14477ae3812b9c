import { isDeepStrictEqual } from 'node:util';
import { type Fields, fieldsOf, listOf, textOf, textsOf } from '../contract/fields.ts';
import { metaOf, withMeta } from './config-entries.ts';

/** One source of a config entry `service-intentions`, as Consul's API reads it. */
export type Source = Readonly<Record<string, unknown>> & { readonly Name: string; readonly Peer: string };

/** By this text in `Description` we know our sources. */
const MARK = 'managed by federate';
/** Set where we made the entry. */
const MADE = 'federate-made';

/** Why our sources cannot stand in an entry. */
export interface IntentionsRefusal {
  readonly code: 'intention-not-ours' | 'intention-legacy';
  readonly message: string;
}

/**
 * The sources of a Kubernetes object `ServiceIntentions` that name a peering, as Consul's API reads
 * them, each with our mark. The source that denies everything of the own mesh is left out: callers
 * of the own mesh are the operator's subject. Everything else of each peering is denied. Pure.
 */
export function sourcesOf(object: object): readonly Source[] {
  const { sources } = fieldsOf(fieldsOf(object)['spec']) as { readonly sources?: unknown };
  const named = listOf(sources).flatMap((source): Source[] => {
    const peer = textOf(source['peer']);
    return peer === '' ? [] : [sourceOf(source, peer)];
  });
  const peers = new Set(named.map(({ Peer }) => Peer));
  const open = [...peers].filter((peer) => !named.some(({ Name, Peer }) => Name === '*' && Peer === peer));
  return [...named, ...open.map((peer) => ({ Name: '*', Peer: peer, Action: 'deny', Description: MARK }))];
}

/** The destination of a Kubernetes object `ServiceIntentions`. */
export function destinationOf(object: object): string {
  return textOf(fieldsOf(fieldsOf(fieldsOf(object)['spec'])['destination'])['name']);
}

/** Whether an entry has sources of ours. */
export function hasOurs(entry: Fields): boolean {
  return listOf(entry['Sources']).some(isOurs);
}

/**
 * The entry of a destination with exactly these sources of ours, and those of others as they were.
 * Undefined where no source is left. Returns a refusal where another owner has a source for the
 * same callers, or sources that Consul would not take back as they are. Pure.
 */
export function withSources(
  entry: Fields | undefined,
  destination: string,
  wanted: readonly Source[],
): { readonly entry: Fields | undefined } | { readonly refusal: IntentionsRefusal } {
  const before = entry ?? { Kind: 'service-intentions', Name: destination };
  const others = listOf(before['Sources']).filter((source) => !isOurs(source));
  if (wanted.length > 0 && others.some((source) => textOf(source['LegacyID']) !== ''))
    return {
      refusal: {
        code: 'intention-legacy',
        message: `the intentions of ${destination} were made by the API before Consul 1.9, and Consul would drop their IDs: write them as a config entry first`,
      },
    };
  const clash = wanted.find((source) => others.some((other) => isSameCaller(source, other)));
  if (clash)
    return {
      refusal: {
        code: 'intention-not-ours',
        message: `the intentions of ${destination} have a source ${clash.Name} of peer ${clash.Peer} already, and it is not ours: remove that source, or the rule`,
      },
    };
  const sources = [...others, ...wanted];
  if (sources.length === 0) return { entry: undefined };
  const { Sources: _, ...rest } = before;
  const { [MADE]: made, ...meta } = metaOf(before);
  const isMadeByUs = (entry === undefined || made !== undefined) && wanted.length > 0;
  return {
    entry: withMeta({ ...rest, Sources: sources }, isMadeByUs ? { ...meta, [MADE]: 'true' } : meta),
  };
}

/**
 * Whether two entries mean the same. Consul adds fields to the sources that it keeps, and orders
 * them by precedence.
 */
export function isSameEntry(kept: Fields, wanted: Fields): boolean {
  const comparable = (entry: Fields) => {
    const { Sources: _, ...rest } = entry;
    const sources = listOf(entry['Sources']).map((source) => JSON.stringify(plainSource(source)));
    return { ...rest, Sources: sources.toSorted() };
  };
  return isDeepStrictEqual(comparable(kept), comparable(wanted));
}

function isOurs(source: Fields): boolean {
  return textOf(source['Description']) === MARK;
}

function isSameCaller(source: Source, other: Fields): boolean {
  return source.Name === textOf(other['Name']) && source.Peer === textOf(other['Peer']);
}

function sourceOf(source: Fields, peer: string): Source {
  const common = { Name: textOf(source['name']), Peer: peer, Description: MARK };
  const permissions = listOf(source['permissions']);
  if (permissions.length === 0) return { ...common, Action: textOf(source['action']) };
  return {
    ...common,
    Permissions: permissions.map((permission) => ({
      Action: textOf(permission['action']),
      HTTP: httpOf(fieldsOf(permission['http'])),
    })),
  };
}

function httpOf(http: Fields): Fields {
  const [exact, prefix] = [textOf(http['pathExact']), textOf(http['pathPrefix'])];
  const header = listOf(http['header']);
  const methods = textsOf(http['methods']);
  return {
    ...(exact !== '' && { PathExact: exact }),
    ...(prefix !== '' && { PathPrefix: prefix }),
    ...(header.length > 0 && {
      Header: header.map(({ name, present, exact: value }) => ({
        Name: textOf(name),
        ...(present === true ? { Present: true } : { Exact: textOf(value) }),
      })),
    }),
    ...(methods.length > 0 && { Methods: methods }),
  };
}

/** A source without what Consul fills in, with its fields in one order. */
function plainSource(source: Fields): unknown {
  return ordered(
    Object.fromEntries(
      Object.entries(source).filter(
        ([key, value]) => key !== 'Precedence' && !(key === 'Type' && value === 'consul'),
      ),
    ),
  );
}

function ordered(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordered);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, ordered(each)]),
  );
}
