import { DerError, DerReader, Tag } from '../base/der.ts';

const ATTRIBUTE_NAMES: Readonly<Record<string, string>> = {
  '2.5.4.3': 'CN',
  '2.5.4.5': 'serialNumber',
  '2.5.4.6': 'C',
  '2.5.4.7': 'L',
  '2.5.4.8': 'ST',
  '2.5.4.9': 'street',
  '2.5.4.10': 'O',
  '2.5.4.11': 'OU',
  '0.9.2342.19200300.100.1.1': 'UID',
  '0.9.2342.19200300.100.1.25': 'DC',
  '1.2.840.113549.1.9.1': 'emailAddress',
};

export const EMAIL_ADDRESS_ATTRIBUTE = '1.2.840.113549.1.9.1';

/** One attribute of a distinguished name. */
export interface NameAttribute {
  readonly type: string;
  readonly tag: number;
  readonly value: Uint8Array;
  /** The value as text where its type is a string, else undefined. */
  readonly text?: string;
}

/**
 * A distinguished name: its relative names from the outside in, each a set of attributes (RFC 5280
 * §4.1.2.4).
 */
export type DistinguishedName = readonly (readonly NameAttribute[])[];

/** Reads a whole Name. Throws `DerError`. */
export function parseDistinguishedName(der: Uint8Array): DistinguishedName {
  const outer = new DerReader(der);
  const sequence = outer.enter(Tag.sequence);
  outer.end();
  const relativeNames: NameAttribute[][] = [];
  while (!sequence.done) {
    const set = sequence.enter(Tag.set);
    const attributes: NameAttribute[] = [];
    do {
      const attribute = set.enter(Tag.sequence);
      const type = attribute.objectIdentifier();
      const tag = attribute.nextTag;
      const valueElement = attribute.element();
      attribute.end();
      const value = new DerReader(valueElement).content(tag);
      const text = stringText(tag, value);
      attributes.push(text === undefined ? { type, tag, value } : { type, tag, value, text });
    } while (!set.done);
    relativeNames.push(attributes);
  }
  return relativeNames;
}

/**
 * A name as text, in the order of the DER: `O=istio.example,CN=Root 1`; empty for the empty name.
 */
export function nameText(name: DistinguishedName): string {
  return name
    .map((attributes) =>
      attributes
        .map(({ type, text, value }) => {
          const shown = text === undefined ? `#${Buffer.from(value).toString('hex')}` : escapeText(text);
          return `${ATTRIBUTE_NAMES[type] ?? type}=${shown}`;
        })
        .join('+'),
    )
    .join(',');
}

/**
 * A text that is equal exactly for equal names (RFC 5280 §7.1). Strings are compared by their
 * folded text, so that a CA that changed from PrintableString to UTF8String still chains.
 */
export function nameKey(name: DistinguishedName): string {
  return relativeNameKeys(name).join('\u0001');
}

/**
 * The folded text of each relative name, from the outside in: directory name constraints compare
 * these.
 */
export function relativeNameKeys(name: DistinguishedName): string[] {
  return name.map((attributes) =>
    attributes
      .map(({ type, tag, value, text }) =>
        text === undefined
          ? `${type}=${tag}#${Buffer.from(value).toString('hex')}`
          : `${type}=${JSON.stringify(fold(text))}`,
      )
      .sort()
      .join('\u0000'),
  );
}

function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase().trim().replace(/\s+/g, ' ');
}

function stringText(tag: number, value: Uint8Array): string | undefined {
  const buffer = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  switch (tag) {
    case Tag.utf8String:
      try {
        return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value);
      } catch (error) {
        throw new DerError('a UTF8String is valid UTF-8', { cause: error });
      }
    case Tag.printableString:
    case Tag.numericString:
    case Tag.ia5String:
      if (value.some((byte) => byte >= 0x80))
        throw new DerError('this string type holds ASCII characters only');
      return buffer.toString('latin1');
    case Tag.bmpString:
      if (value.length % 2 !== 0) throw new DerError('a BMPString has two bytes for each character');
      return Buffer.from(buffer).swap16().toString('utf16le');
    default:
      return undefined;
  }
}

function escapeText(text: string): string {
  // Control and direction characters would let a peer's certificate write on the operator's
  // terminal.
  return text.replace(/[,+"\\<>;=]/g, '\\$&').replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
  });
}
