import { CONSTRUCTED, CONTEXT, DerError, type DerReader, Tag } from '../base/der.ts';
import { parseDistinguishedName } from './distinguished-name.ts';

/** What a GeneralName is (RFC 5280 §4.2.1.6), by its context tag. */
export type GeneralNameKind =
  | 'otherName'
  | 'email'
  | 'dns'
  | 'x400'
  | 'directory'
  | 'ediParty'
  | 'uri'
  | 'ip'
  | 'registeredId';

/**
 * One GeneralName: text for the IA5String forms, bytes for the others (for a directory name the
 * whole Name).
 */
export interface GeneralName {
  readonly kind: GeneralNameKind;
  /**
   * Set for `email`, `dns`, `uri` if the bytes are what an IA5String may hold; absent with 0x80 and
   * above or NUL in them (X509-05).
   */
  readonly text?: string;
  /** The content, for a directory name the DER of the Name. */
  readonly bytes: Uint8Array;
}

const KINDS: readonly GeneralNameKind[] = [
  'otherName',
  'email',
  'dns',
  'x400',
  'directory',
  'ediParty',
  'uri',
  'ip',
  'registeredId',
];
const TEXT_KINDS: ReadonlySet<GeneralNameKind> = new Set(['email', 'dns', 'uri']);
const CONSTRUCTED_KINDS: ReadonlySet<GeneralNameKind> = new Set([
  'otherName',
  'x400',
  'directory',
  'ediParty',
]);

/** The next GeneralName. Throws `DerError`. */
export function readGeneralName(reader: DerReader): GeneralName {
  const tag = reader.nextTag;
  const kind = (tag & 0xc0) === CONTEXT ? KINDS[tag & 0x1f] : undefined;
  if (kind === undefined) throw new DerError(`0x${tag.toString(16)} is not a tag of a general name`);
  if (((tag & CONSTRUCTED) !== 0) !== CONSTRUCTED_KINDS.has(kind)) {
    throw new DerError(`a general name of kind ${kind} has the wrong encoding`);
  }
  if (kind === 'directory') {
    const inner = reader.enter(tag);
    const bytes = inner.element(Tag.sequence);
    inner.end();
    // Read now, so that later code never meets an unreadable name.
    parseDistinguishedName(bytes);
    return { kind, bytes };
  }
  const bytes = reader.content(tag);
  const text = TEXT_KINDS.has(kind) ? ia5Text(bytes) : undefined;
  return text === undefined ? { kind, bytes } : { kind, text, bytes };
}

/** Whether a name of this kind should be text. */
export function isTextKind(kind: GeneralNameKind): boolean {
  return TEXT_KINDS.has(kind);
}

function ia5Text(bytes: Uint8Array): string | undefined {
  for (const byte of bytes) if (byte === 0 || byte >= 0x80) return undefined;
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
