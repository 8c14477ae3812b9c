import { DerError, Tag } from '../base/der.ts';
import { isShortOid } from './short-oid.ts';
import { type DistinguishedName, type NameAttribute, parseDistinguishedName } from './distinguished-name.ts';

/**
 * Why other verifiers cannot read a distinguished name, or undefined where they all can. Go refuses
 * every certificate with a string outside the alphabet of its type, and knows no other types.
 * BoringSSL refuses Unicode noncharacters.
 */
export function nameProblem(der: Uint8Array): string | undefined {
  let name: DistinguishedName;
  try {
    name = parseDistinguishedName(der);
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
    return `cannot be read: ${error.message}`;
  }
  // Java refuses an empty issuer, and an empty subject without alternative names that are critical.
  if (name.length === 0) return 'is empty, and Java refuses a root without a name';
  for (const attribute of name.flat()) {
    const problem = valueProblem(attribute);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function valueProblem({ type, tag, value }: NameAttribute): string | undefined {
  if (!isShortOid(type)) return `has an attribute ${type} with a number that Go cannot hold`;
  switch (tag) {
    case Tag.utf8String: {
      const wrong = Array.from(new TextDecoder('utf-8', { ignoreBOM: true }).decode(value)).find(
        isNoncharacter,
      );
      return wrong === undefined ? undefined : unfit('UTF8String', wrong);
    }
    case Tag.printableString:
      return outside('PrintableString', value, /[^A-Za-z0-9 '()+,\-./:=?*&]/);
    case Tag.numericString:
      return outside('NumericString', value, /[^0-9 ]/);
    case Tag.ia5String:
      return outside('IA5String', value, /[\u0080-\u00ff]/);
    case Tag.teletexString:
      return undefined;
    case Tag.bmpString:
      return bmpProblem(value);
    default:
      return `has a value of ASN.1 type ${TYPE_NAMES[tag] ?? `0x${tag.toString(16)}`}, which is not a string type that Go reads`;
  }
}

const TYPE_NAMES: Readonly<Record<number, string>> = {
  2: 'INTEGER',
  3: 'BIT STRING',
  4: 'OCTET STRING',
  5: 'NULL',
  21: 'VideotexString',
  25: 'GraphicString',
  26: 'VisibleString',
  27: 'GeneralString',
  28: 'UniversalString',
};

function outside(type: string, value: Uint8Array, outsiders: RegExp): string | undefined {
  const [wrong] = outsiders.exec(Buffer.from(value).toString('latin1')) ?? [];
  return wrong === undefined ? undefined : unfit(type, wrong);
}

function bmpProblem(value: Uint8Array): string | undefined {
  if (value.length % 2 !== 0) return 'has a BMPString with half a character';
  for (let at = 0; at < value.length; at += 2) {
    const unit = ((value[at] ?? 0) << 8) | (value[at + 1] ?? 0);
    if ((unit >= 0xd800 && unit <= 0xdfff) || isNoncharacter(String.fromCharCode(unit)))
      return unfit('BMPString', String.fromCharCode(unit));
  }
  return undefined;
}

/** Whether this code point is a Unicode noncharacter. */
function isNoncharacter(character: string): boolean {
  const point = character.codePointAt(0) ?? 0;
  return (point & 0xfffe) === 0xfffe || (point >= 0xfdd0 && point <= 0xfdef);
}

function unfit(type: string, character: string): string {
  const printable = /^[!-~]$/.test(character);
  const point = (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  const shown = printable ? JSON.stringify(character) : `U+${point}`;
  return `has a ${type} with ${shown}, which this type cannot hold`;
}
