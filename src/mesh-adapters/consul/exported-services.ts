import { createHash } from 'node:crypto';
import { type Fields, listOf, textOf } from '../contract/fields.ts';
import { metaOf, withMeta } from './config-entries.ts';

/** One service that one peer may use. */
export interface ExportPair {
  /** Consul's name of the service. */
  readonly service: string;
  readonly namespace: string;
  /** The name of the peering. */
  readonly peer: string;
}

/** The pairs of a config entry `exported-services`, and which of them are ours. */
export interface ReadExports {
  readonly pairs: readonly (ExportPair & { readonly isOurs: boolean })[];
}

/** Where the pairs that we added are kept: consumers have no room for a mark. */
const LEDGER = 'federate-exports-';
/** Set where we made the entry, so that we may delete it. */
const MADE = 'federate-made';
/** Consul's limits for `Meta` are 64 keys, with at most 512 characters each. */
const MARKS_OF_KEY = 39;
const MAX_KEYS = 60;
/** More pairs than Consul has room to mark. */
export const MAX_PAIRS = MARKS_OF_KEY * MAX_KEYS;

export const DEFAULT_NAMESPACE = 'default';

/** Reads a config entry; undefined reads as no export. */
export function readExports(entry: Fields | undefined): ReadExports {
  const marks = marksOf(entry);
  return {
    pairs: listOf(entry?.['Services']).flatMap((item) =>
      listOf(item['Consumers']).flatMap((consumer) => {
        const peer = textOf(consumer['Peer']);
        if (peer === '') return [];
        const pair = { service: textOf(item['Name']), namespace: namespaceOf(item), peer };
        return [{ ...pair, isOurs: marks.has(markOf(pair)) }];
      }),
    ),
  };
}

/**
 * The entry with exactly these pairs of ours, and everything of others as it was. Undefined where
 * the entry goes, because nothing is left of what we made. Pure.
 */
export function withExports(entry: Fields | undefined, wanted: readonly ExportPair[]): Fields | undefined {
  const before = entry ?? { Kind: 'exported-services', Name: 'default' };
  const known = readExports(entry).pairs;
  const isWanted = new Set(wanted.map(markOf));
  const gone = new Set(known.filter((pair) => pair.isOurs && !isWanted.has(markOf(pair))).map(markOf));
  const foreign = new Set(known.filter(({ isOurs }) => !isOurs).map(markOf));
  const missing = new Map(
    wanted
      .filter((pair) => !known.some((each) => markOf(each) === markOf(pair)))
      .map((pair) => [markOf(pair), pair]),
  );
  const services = listOf(before['Services']).flatMap((item): Fields[] => {
    const pairOf = (consumer: Fields) =>
      markOf({
        service: textOf(item['Name']),
        namespace: namespaceOf(item),
        peer: textOf(consumer['Peer']),
      });
    const kept = listOf(item['Consumers']).filter((consumer) => !gone.has(pairOf(consumer)));
    const added = [...missing].filter(
      ([, { service, namespace }]) => service === textOf(item['Name']) && namespace === namespaceOf(item),
    );
    for (const [mark] of added) missing.delete(mark);
    const consumers = [...kept, ...added.map(([, { peer }]) => ({ Peer: peer }))];
    return consumers.length === 0 ? [] : [{ ...item, Consumers: consumers }];
  });
  for (const { service, namespace, peer } of missing.values()) {
    const item = services.find((each) => each['Name'] === service && namespaceOf(each) === namespace);
    const consumers = [...listOf(item?.['Consumers']), { Peer: peer }];
    if (item) services[services.indexOf(item)] = { ...item, Consumers: consumers };
    else
      services.push({
        Name: service,
        ...(namespace !== DEFAULT_NAMESPACE && { Namespace: namespace }),
        Consumers: consumers,
      });
  }
  const isMadeByUs = entry === undefined || MADE in metaOf(before);
  if (services.length === 0 && isMadeByUs) return undefined;
  const marks = [...isWanted].filter((mark) => !foreign.has(mark)).toSorted();
  const { Services: _, ...rest } = before;
  const meta = {
    ...metaWithoutLedger(before),
    ...(isMadeByUs && wanted.length > 0 && { [MADE]: 'true' }),
    ...ledgerOf(marks),
  };
  return withMeta({ ...rest, ...(services.length > 0 && { Services: services }) }, meta);
}

function namespaceOf(item: Fields): string {
  return textOf(item['Namespace']) || DEFAULT_NAMESPACE;
}

function markOf({ service, namespace, peer }: ExportPair): string {
  return createHash('sha256').update(`${namespace}\n${service}\n${peer}`).digest('hex').slice(0, 12);
}

function marksOf(entry: Fields | undefined): ReadonlySet<string> {
  const ledger = Object.entries(metaOf(entry ?? {})).filter(([key]) => key.startsWith(LEDGER));
  return new Set(ledger.flatMap(([, value]) => value.split(',')));
}

function ledgerOf(marks: readonly string[]): Readonly<Record<string, string>> {
  const ledger: Record<string, string> = {};
  for (let from = 0; from < marks.length; from += MARKS_OF_KEY)
    ledger[`${LEDGER}${from / MARKS_OF_KEY}`] = marks.slice(from, from + MARKS_OF_KEY).join(',');
  return ledger;
}

function metaWithoutLedger(entry: Fields): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(metaOf(entry)).filter(([key]) => !key.startsWith(LEDGER) && key !== MADE),
  );
}
