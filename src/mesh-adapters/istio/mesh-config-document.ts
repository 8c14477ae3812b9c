import { isMap, isPair, isScalar, isSeq, LineCounter, type Pair, parseDocument, type YAMLMap } from 'yaml';
import { defined, isMapping } from '../../objects/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { fieldsOf } from '../contract/fields.ts';

const KEY = 'caCertificates';
const MAX_ALIASES = 100;

/** One entry of `caCertificates`, and its place in the text. */
export interface CaEntry {
  readonly pem?: string;
  readonly trustDomains: readonly string[];
  /** From the first to behind the last character of the entry's value. */
  readonly from: number;
  readonly to: number;
  /** The position of the dash of a block sequence's entry. */
  readonly dash?: number;
}

/** The place of `caCertificates` in the text: its key and its value. */
export interface CaList {
  readonly keyFrom: number;
  /** Behind the colon. */
  readonly colonTo: number;
  readonly valueFrom: number;
  readonly valueTo: number;
  readonly style: 'block' | 'flow' | 'null';
  readonly entries: readonly CaEntry[];
}

/**
 * Key `mesh` of the mesh ConfigMap, as far as trust needs it, with the places where an entry can
 * go.
 */
export interface MeshConfigDocument {
  readonly trustDomain: string;
  readonly trustDomainAliases: readonly string[];
  /**
   * `defaultConfig.proxyMetadata.PROXY_CONFIG_XDS_AGENT` is on: proxies get roots other than the
   * own ones.
   */
  readonly xdsAgent: boolean;
  readonly list?: CaList;
  /** The top level of the text: a block mapping, `{…}`, or only comments. */
  readonly top: 'block' | 'flow' | 'empty';
  /** The position of the first key of the top level; after the brace where it is `{…}`. */
  readonly firstKey: number;
  readonly keys: number;
  /** The value without the entries of `caCertificates`, to check that nothing else changed. */
  readonly rest: unknown;
}

/**
 * Values of a mesh config that is applied before another one, where the other does not set them.
 */
export type AppliedBefore = Pick<MeshConfigDocument, 'trustDomain' | 'trustDomainAliases' | 'xdsAgent'>;

const DEFAULTS: AppliedBefore = { trustDomain: 'cluster.local', trustDomainAliases: [], xdsAgent: false };

/**
 * Reads the YAML of key `mesh`, as istiod has it once `before` was applied (aliases add up, fields
 * replace). Throws `MeshAdapterError`: `mesh-config-malformed` where istiod would not read it
 * either, `mesh-config-unsupported` where it is written in a way that we do not change.
 */
export function parseMeshConfig(text: string, before = DEFAULTS): MeshConfigDocument {
  const document = parseDocument(text, { keepSourceTokens: true, lineCounter: new LineCounter() });
  const [error] = document.errors;
  if (error) throw malformed(error.message.split('\n', 1)[0] ?? '', error);
  const value = readValue(() => document.toJS({ maxAliasCount: MAX_ALIASES }));
  const { contents } = document;
  const empty = contents === null || (isScalar(contents) && contents.value === null);
  if (!empty && !isMap(contents)) throw malformed('it is not a mapping');
  const map = isMap(contents) ? contents : undefined;
  const mesh = record(value ?? {}, 'the document');
  const { [KEY]: _, ...rest } = mesh;
  const proxyMetadata = fieldsOf(fieldsOf(mesh['defaultConfig'])['proxyMetadata']);
  const pair = map && caPair(map);
  const flow = map?.flow === true;
  return {
    trustDomain: string(mesh['trustDomain'] ?? before.trustDomain, 'trustDomain'),
    trustDomainAliases: [
      ...new Set([
        ...strings(mesh['trustDomainAliases'], 'trustDomainAliases'),
        ...before.trustDomainAliases,
      ]),
    ],
    xdsAgent: ['true', true, '1', 1].some(
      (on) => on === (proxyMetadata['PROXY_CONFIG_XDS_AGENT'] ?? before.xdsAgent),
    ),
    ...(pair && { list: caList(pair, mesh[KEY], text) }),
    top: map ? (flow ? 'flow' : 'block') : 'empty',
    firstKey: (map?.range?.[0] ?? 0) + (flow ? 1 : 0),
    keys: map?.items.length ?? 0,
    rest,
  };
}

function caPair(map: YAMLMap): Pair | undefined {
  return map.items.find((item) => isPair(item) && isScalar(item.key) && item.key.value === KEY);
}

function caList(pair: Pair, plain: unknown, text: string): CaList {
  const colon = pair.srcToken?.sep?.find(({ type }) => type === 'map-value-ind');
  const key = isScalar(pair.key) ? pair.key.range : undefined;
  if (!colon || !key) throw unsupported('the key is not written as "caCertificates:"');
  const { value } = pair;
  const place = { keyFrom: key[0], colonTo: colon.offset + 1 };
  if (value === null || (isScalar(value) && value.value === null)) {
    const written = isScalar(value) && value.source !== '' && value.range;
    if (isScalar(value) && (value.anchor !== undefined || value.tag !== undefined))
      throw unsupported('the value has an anchor or a tag');
    const valueTo = written ? written[1] : place.colonTo;
    return { ...place, valueFrom: place.colonTo, valueTo, style: 'null', entries: [] };
  }
  if (!isSeq(value) || !value.range) throw unsupported('the value is not written as a list');
  const [from, to] = value.range;
  const style = value.flow ? 'flow' : 'block';
  if (text[from] !== (style === 'flow' ? '[' : '-')) throw unsupported('the list has an anchor or a tag');
  const source = value.srcToken?.type === 'block-seq' ? value.srcToken.items : [];
  if (!Array.isArray(plain)) throw malformed('caCertificates is not a list');
  const entries = value.items.map((item, index): CaEntry => {
    const range = Object(item) as { range?: readonly [number, number, number] };
    const dash = source[index]?.start.find(({ type }) => type === 'seq-item-ind')?.offset;
    if (!range.range || (style === 'block' && dash === undefined))
      throw unsupported(`entry ${index} cannot be located`);
    const { pem, trustDomains } = fieldsOf(plain[index]) as Record<'pem' | 'trustDomains', unknown>;
    return {
      ...(typeof pem === 'string' && { pem }),
      trustDomains: strings(trustDomains, `caCertificates[${index}].trustDomains`),
      from: range.range[0],
      to: range.range[1],
      ...defined({ dash }),
    };
  });
  return { ...place, valueFrom: from, valueTo: to, style, entries };
}

function readValue(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    // The package throws a ReferenceError for too many aliases.
    throw malformed('it holds too many aliases', error);
  }
}

function record(value: unknown, where: string): Readonly<Record<string, unknown>> {
  if (isMapping(value)) return value;
  throw malformed(`${where} is not a mapping`);
}

function string(value: unknown, where: string): string {
  if (typeof value === 'string') return value;
  throw malformed(`${where} is not a string`);
}

function strings(value: unknown, where: string): string[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw malformed(`${where} is not a list`);
  return value.map((each, index) => string(each, `${where}[${index}]`));
}

function malformed(what: string, cause?: unknown): MeshAdapterError {
  return new MeshAdapterError(
    'mesh-config-malformed',
    `the mesh config could not be read: ${what}`,
    cause === undefined ? {} : { cause },
  );
}

/** The text is fine for istiod, but written in a way that we do not change. */
export function unsupported(what: string): MeshAdapterError {
  return new MeshAdapterError(
    'mesh-config-unsupported',
    `caCertificates of the mesh config cannot be changed without touching what is not ours: ${what}`,
  );
}
