import type { Anchor } from '../contract/anchors.ts';
import { type ConfigMap } from '../kubernetes/config-map.ts';
import type { PlaceLimits } from '../contract/place-peers.ts';
import { fieldsOf } from '../contract/fields.ts';
import { MESH_KEY } from './read-own-trust.ts';
import { OWN_ENTRIES_ANNOTATION, renderOwnEntries } from './own-entries.ts';
import { renderBlockEntries } from './render.ts';

/** All values of a ConfigMap together; the API server refuses more. */
const CONFIG_MAP_BYTES = 1024 * 1024;
/** All annotations of an object together, names and values; the API server refuses more. */
const ANNOTATIONS_BYTES = 256 * 1024;
/** One peer of at least eight that fit. */
const BYTES_OF_PEER = 128 * 1024;
/** For the text around a list of entries, and around the list of ours. */
const RESERVE_BYTES = 1024;
/** No list in a mesh config is indented deeper than this. */
const DEEPEST_INDENT = ' '.repeat(16);

/**
 * How long the text of a mesh config may be, and what is remembered of our entries in it, in bytes.
 */
export interface MeshConfigRoom {
  readonly text: number;
  readonly memory: number;
}

/** A mesh config in a file has the limit of a ConfigMap, so that it can move into one. */
export const ROOM_IN_FILE: MeshConfigRoom = { text: CONFIG_MAP_BYTES, memory: CONFIG_MAP_BYTES };

/** The size of a ConfigMap's other values and annotations. */
export function roomInConfigMap({ metadata, data = {}, binaryData }: ConfigMap): MeshConfigRoom {
  const others = [
    ...Object.entries(data).flatMap(([key, value]) => (key === MESH_KEY ? [] : [value])),
    ...Object.values(fieldsOf(binaryData)).map(String),
  ];
  const annotations = Object.entries(metadata.annotations ?? {})
    .filter(([name]) => name !== OWN_ENTRIES_ANNOTATION)
    .flat();
  return {
    text: CONFIG_MAP_BYTES - bytesOfTexts(others),
    memory: ANNOTATIONS_BYTES - bytesOfTexts([...annotations, OWN_ENTRIES_ANNOTATION]),
  };
}

/**
 * The limits of entries, and how much more one byte of what is remembered costs than one of the
 * text.
 */
export interface EntryLimits extends PlaceLimits {
  readonly factor: number;
}

/** The size that our entries may have next to `othersBytes` of other text. */
export function limitsOfEntries(room: MeshConfigRoom, othersBytes: number): EntryLimits {
  const text = Math.max(0, room.text - othersBytes - RESERVE_BYTES);
  const memory = Math.max(0, room.memory - RESERVE_BYTES);
  return { bytesOfPeer: BYTES_OF_PEER, bytesOfAll: text, factor: Math.max(1, text / memory) };
}

/**
 * How much of the room anchors take: of the text or of what is remembered, whichever is scarcer.
 */
export function bytesOfEntries(anchors: readonly Anchor[], { factor }: EntryLimits): number {
  const text = Buffer.byteLength(renderBlockEntries(anchors, DEEPEST_INDENT, '\r\n'));
  return Math.max(text, Math.ceil(Buffer.byteLength(renderOwnEntries(anchors, undefined)) * factor));
}

function bytesOfTexts(texts: readonly string[]): number {
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}
