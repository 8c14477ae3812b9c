import { isDeepStrictEqual } from 'node:util';
import {
  type CaEntry,
  type CaList,
  type MeshConfigDocument,
  parseMeshConfig,
  unsupported,
} from './mesh-config-document.ts';
import { renderBlockEntries, renderFlowEntries, type WantedEntry } from './render.ts';

/**
 * What the text cannot say about its state before our entries: the whole key is ours, or this value
 * stood instead of a list. Stored with the fingerprints in our annotation.
 */
export type ListOrigin = { readonly kind: 'key' } | { readonly kind: 'value'; readonly was: string };

/** The text of key `mesh` with our entries in it. */
export interface SplicedText {
  readonly text: string;
  readonly origin?: ListOrigin;
}

/**
 * Takes our entries out of the text and gives it back as it was before them; everything else stays
 * byte for byte. Throws `MeshAdapterError`: `mesh-config-malformed`, `mesh-config-unsupported`.
 */
export function removeOwnEntries(
  text: string,
  isOwn: (entry: CaEntry) => boolean,
  origin: ListOrigin | undefined,
): string {
  const { list, top } = parseMeshConfig(text);
  const own = list?.entries.filter(isOwn) ?? [];
  if (!list || own.length === 0) return text;
  const last = own.at(-1);
  if (own.length === list.entries.length && last && origin) {
    if (origin.kind === 'value') return cut(text, list.colonTo, list.valueTo, origin.was);
    if (top === 'flow') return cut(text, list.keyFrom, skipComma(text, list.valueTo));
    return cut(text, lineStart(text, list.keyFrom), lineEnd(text, last.to));
  }
  // From the back, so that the places of the others still hold.
  return own.toReversed().reduce((rest, entry) => removeEntry(rest, entry), text);
}

function removeEntry(text: string, { dash, from, to }: CaEntry): string {
  if (dash !== undefined) return cut(text, lineStart(text, dash), lineEnd(text, to));
  const behind = skipComma(text, to);
  if (behind > to) return cut(text, from, behind);
  // The last of several: the comma before it is removed too.
  const before = /,\s*$/.exec(text.slice(0, from));
  return cut(text, before ? before.index : from, to);
}

/**
 * Inserts entries into a text that has none of ours, before the existing ones. Throws
 * `MeshAdapterError` `mesh-config-malformed`, and `mesh-config-unsupported` where removing them
 * again would not restore the same text.
 */
export function insertOwnEntries(text: string, wanted: readonly WantedEntry[]): SplicedText {
  if (wanted.length === 0) return { text };
  const before = parseMeshConfig(text);
  const spliced = insert(text, before, wanted);
  const after = parseMeshConfig(spliced.text);
  const count = before.list?.entries.length ?? 0;
  const added = after.list?.entries.slice(0, wanted.length) ?? [];
  const present = added.every((entry, index) => isWanted(entry, wanted[index]));
  if (
    !present ||
    after.list?.entries.length !== count + wanted.length ||
    !isDeepStrictEqual(before.rest, after.rest)
  )
    throw unsupported('an entry that was put in does not read as it should');
  const froms = new Set(added.map(({ from }) => from));
  if (removeOwnEntries(spliced.text, ({ from }) => froms.has(from), spliced.origin) !== text)
    throw unsupported('taking out what was put in would not restore the text');
  return spliced;
}

function isWanted(entry: CaEntry, wanted: WantedEntry | undefined): boolean {
  return entry.pem === wanted?.pem && isDeepStrictEqual(entry.trustDomains, [wanted?.trustDomain]);
}

function insert(
  text: string,
  { list, top, firstKey, keys }: MeshConfigDocument,
  wanted: readonly WantedEntry[],
): SplicedText {
  const eol = /\r?\n/.exec(text)?.[0] ?? '\n';
  if (list) return insertIntoList(text, list, wanted, eol);
  if (top === 'flow') {
    const pair = `"caCertificates": [${renderFlowEntries(wanted)}]${keys > 0 ? ', ' : ''}`;
    return { text: cut(text, firstKey, firstKey, pair), origin: { kind: 'key' } };
  }
  const indent = top === 'block' ? indentAt(text, firstKey) : '';
  const lines = `${indent}caCertificates:${eol}${renderBlockEntries(wanted, indent, eol)}`;
  // At the end, where a person would add it; at the start where the end cannot take another line.
  const atEnd = text === '' || (text.endsWith('\n') && !/(^|\n)\.\.\.\s*(#[^\n]*)?\s*$/.test(text));
  const at = atEnd ? text.length : lineStart(text, firstKey);
  return { text: cut(text, at, at, lines), origin: { kind: 'key' } };
}

function insertIntoList(
  text: string,
  list: CaList,
  wanted: readonly WantedEntry[],
  eol: string,
): SplicedText {
  const [first] = list.entries;
  switch (list.style) {
    case 'null': {
      const was = text.slice(list.colonTo, list.valueTo);
      const value = ` [${renderFlowEntries(wanted)}]`;
      return { text: cut(text, list.colonTo, list.valueTo, value), origin: { kind: 'value', was } };
    }
    case 'flow': {
      const at = list.valueFrom + 1;
      return { text: cut(text, at, at, `${renderFlowEntries(wanted)}${first ? ', ' : ''}`) };
    }
    case 'block': {
      const dash = first?.dash ?? 0;
      const indent = indentAt(text, dash);
      const at = lineStart(text, dash);
      return { text: cut(text, at, at, renderBlockEntries(wanted, indent, eol)) };
    }
    default:
      return list.style satisfies never;
  }
}

function cut(text: string, from: number, to: number, instead = ''): string {
  return `${text.slice(0, from)}${instead}${text.slice(to)}`;
}

function lineStart(text: string, at: number): number {
  return text.lastIndexOf('\n', at - 1) + 1;
}

/**
 * Behind the line feed of the line that `at` ends; a block scalar's end is behind its line feed
 * already.
 */
function lineEnd(text: string, at: number): number {
  if (text[at - 1] === '\n') return at;
  const end = text.indexOf('\n', at);
  return end === -1 ? text.length : end + 1;
}

/** The text before `at` on its line. Throws where it is not only blanks. */
function indentAt(text: string, at: number): string {
  const indent = text.slice(lineStart(text, at), at);
  if (/^ *$/.test(indent)) return indent;
  throw unsupported('it does not begin on a line of its own');
}

function skipComma(text: string, at: number): number {
  return at + (/^\s*, ?/.exec(text.slice(at))?.[0].length ?? 0);
}
