import { generateKeyPairSync } from 'node:crypto';
import { CONSTRUCTED, CONTEXT, Tag } from '../src/spiffe/base/der.ts';
import { derElement, derInteger, derObjectIdentifier } from '../src/spiffe/base/der-writer.ts';
import {
  algorithm,
  attribute,
  extension,
  generalizedTime,
  oddCertificate,
  rsaSpki,
  soundExtensions,
  soundParts,
  spkiOf,
  TRUE,
  utcTime,
} from './odd-certificates.ts';

/** A small generator of numbers (mulberry32), so that a seed names what it made. */
class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  }

  one<Value>(values: readonly Value[]): Value {
    const value = values[this.below(values.length)];
    if (value === undefined) throw new TypeError('there is nothing to choose from');
    return value;
  }

  chance(oneIn: number): boolean {
    return this.below(oneIn) === 0;
  }

  bytes(most: number): Uint8Array {
    return Uint8Array.from({ length: this.below(most + 1) }, () => this.below(256));
  }

  text(most: number): Uint8Array {
    return Uint8Array.from({ length: 1 + this.below(most) }, () => 0x20 + this.below(0x5f));
  }
}

const NAME_TAGS = [2, 3, 4, 12, 12, 12, 18, 19, 19, 19, 20, 21, 22, 22, 25, 26, 27, 28, 30, 30];
const NAME_TYPES = [
  '2.5.4.3',
  '2.5.4.6',
  '2.5.4.10',
  '2.5.4.5',
  '1.2.840.113549.1.9.1',
  '0.9.2342.19200300.100.1.25',
  '2.5.4.97',
  '2.25.4294967296',
];
const POLICY_OIDS = ['2.5.29.32.0', '1.2.3.4', '2.25.340282366920938', '1.3.6.1.5.5.7.2.1'];
const PURPOSES = [
  '1.3.6.1.5.5.7.3.1',
  '1.3.6.1.5.5.7.3.2',
  '1.3.6.1.5.5.7.3.3',
  '2.5.29.37.0',
  '1.3.6.1.4.1.311.20.2.2',
  '2.25.4294967295',
];
const URIS = [
  'spiffe://odd.example',
  'https://a_b.example/',
  'urn:a:b',
  'http://odd.example:80/x?y=z',
  'ldap://odd.example/cn=a,dc=b?c?base',
  'mailto:a@b',
  'http://',
  'x:',
  'spiffe://odd.example/%41',
  'http://a..b/',
  'http://-a/',
  'http://1.2.3.4/',
  'http://1/',
  'http://a.b:/',
  'http://a.b:99999/',
  'a1+.-:b',
  'http://a@b/',
  'x://a.b',
  'urn:%',
  'urn:;;',
  'file:///etc',
  'a:/b',
  "http://a.b/'()*",
];
const HOSTS = [
  'odd.example',
  '.odd.example',
  'a..b',
  '',
  '.',
  'a.',
  '-a.b',
  'a_b',
  '1.2.3.4',
  'x@odd.example',
  '@',
  'a@',
  'A.Example',
  '*.a',
  `${'a'.repeat(64)}.b`,
  'a b',
];

const SMALL_RSA = 2n ** 2047n + 2n ** 77n + 1n;
const KEYS = [
  ...['P-256', 'P-384', 'P-521'].map((namedCurve) =>
    spkiOf(generateKeyPairSync('ec', { namedCurve }).publicKey),
  ),
  spkiOf(generateKeyPairSync('ed25519').publicKey),
  rsaSpki(SMALL_RSA, 65537n),
  rsaSpki(2n ** 3071n + 1n, 3n),
];

/** One root of every seed: sound in most parts, odd in some. */
export function randomRoot(seed: number): Uint8Array {
  const dice = new Dice(seed);
  const sound = soundParts();
  const spki = dice.chance(6) ? oddKey(dice) : dice.one(KEYS);
  const odd = oddCertificate({
    serial: dice.chance(8) ? dice.bytes(22) : sound.serial,
    signatureAlgorithm: dice.chance(8) ? signatureAlgorithm(dice) : sound.signatureAlgorithm,
    subject: dice.chance(2) ? name(dice) : sound.subject,
    ...(dice.chance(10) ? { issuer: name(dice) } : {}),
    notBefore: dice.chance(10) ? time(dice) : sound.notBefore,
    notAfter: dice.chance(10) ? time(dice) : sound.notAfter,
    spki,
    uniqueIds: dice.chance(30) ? [derElement(CONTEXT | (1 + dice.below(2)), dice.bytes(3))] : [],
    extensions: extensionsOf(dice, spki),
  });
  return dice.chance(12) ? flipped(dice, odd) : odd;
}

function flipped(dice: Dice, bytes: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(bytes);
  for (let flips = 1 + dice.below(2); flips > 0; flips -= 1) {
    const at = dice.below(copy.length);
    copy[at] = dice.chance(2) ? dice.below(256) : (copy[at] ?? 0) ^ (1 << dice.below(8));
  }
  return copy;
}

function name(dice: Dice): Uint8Array {
  const sets = Array.from({ length: dice.below(4) }, () =>
    derElement(Tag.set, ...Array.from({ length: dice.chance(6) ? 2 : 1 }, () => nameAttribute(dice))),
  );
  return derElement(Tag.sequence, ...sets);
}

function nameAttribute(dice: Dice): Uint8Array {
  const tag = dice.one(NAME_TAGS);
  const plain = Buffer.from(
    dice.one(['Root 1', 'a', 'odd.example', 'DE', '1234', ' x ', 'a\u0000b', "O'Neil"]),
  );
  const wide = Buffer.from(plain.toString('latin1'), 'utf16le').swap16();
  const value = dice.chance(3) ? (dice.chance(2) ? dice.bytes(6) : dice.text(8)) : tag === 30 ? wide : plain;
  return attribute(dice.chance(8) ? dice.one(NAME_TYPES) : '2.5.4.3', tag, value);
}

function time(dice: Dice): Uint8Array {
  const two = (bound: number) => String(dice.below(bound)).padStart(2, '0');
  const rest = `${two(14)}${two(33)}${two(25)}${two(61)}${two(61)}Z`;
  return dice.chance(2) ? utcTime(`${two(100)}${rest}`) : generalizedTime(`${two(100)}${two(100)}${rest}`);
}

function oddKey(dice: Dice): Uint8Array {
  const exponent = dice.one([
    0n,
    1n,
    2n,
    3n,
    4n,
    65537n,
    2n ** 31n - 1n,
    2n ** 31n + 1n,
    2n ** 32n + 1n,
    2n ** 63n + 1n,
  ]);
  const bits = BigInt(dice.one([512, 1023, 1024, 2046, 2047, 2049, 3000, 4095, 8191, 8192, 16383, 16384]));
  return dice.chance(2)
    ? rsaSpki(2n ** bits + (dice.chance(6) ? 0n : 1n), exponent)
    : flipped(dice, dice.one(KEYS));
}

function signatureAlgorithm(dice: Dice): Uint8Array {
  const oid = dice.one([
    '1.2.840.113549.1.1.11',
    '1.2.840.113549.1.1.5',
    '1.2.840.113549.1.1.10',
    '1.3.101.112',
    '1.2.840.10045.4.3.2',
    '1.2.3',
    '2.25.99999999999',
    '1.2.840.113549.1.1.4',
    '1.2.840.113549.1.1.1',
  ]);
  return dice.one([
    algorithm(oid),
    algorithm(oid, derElement(Tag.null)),
    algorithm(oid, derElement(Tag.sequence)),
    algorithm(oid, derElement(Tag.octetString, dice.bytes(4))),
    algorithm(oid, derElement(Tag.integer, Uint8Array.of(1))),
  ]);
}

function extensionsOf(dice: Dice, spki: Uint8Array): Uint8Array[] {
  const kept = soundExtensions(spki).filter(() => !dice.chance(20));
  const more = Array.from({ length: dice.below(3) }, () => oddExtension(dice));
  return [...kept, ...more];
}

function oddExtension(dice: Dice): Uint8Array {
  const oid = derObjectIdentifier;
  const critical = dice.chance(2) ? undefined : !dice.chance(3);
  const several = (make: () => Uint8Array) => Array.from({ length: dice.below(3) }, make);
  const sequence = (make: () => Uint8Array) => derElement(Tag.sequence, ...several(make));
  const names = () => several(() => generalName(dice));
  const kinds: Record<string, () => Uint8Array> = {
    '2.5.29.14': () => derElement(Tag.octetString, dice.bytes(70)),
    '2.5.29.15': () =>
      derElement(
        Tag.bitString,
        dice.one([Uint8Array.of(1, 6), Uint8Array.of(0), Uint8Array.of(7, 0x06, 0x80), dice.bytes(4)]),
      ),
    '2.5.29.17': () => derElement(Tag.sequence, ...names()),
    '2.5.29.18': () => derElement(Tag.sequence, ...names()),
    '2.5.29.19': () =>
      derElement(
        Tag.sequence,
        ...(dice.chance(4) ? [] : [TRUE]),
        ...(dice.chance(2) ? [derElement(Tag.integer, dice.bytes(9))] : []),
      ),
    '2.5.29.30': () =>
      derElement(
        Tag.sequence,
        ...(dice.chance(3) ? [] : [derElement(CONTEXT | CONSTRUCTED | 0, ...several(() => subtree(dice)))]),
        ...(dice.chance(3) ? [derElement(CONTEXT | CONSTRUCTED | 1, ...several(() => subtree(dice)))] : []),
      ),
    '2.5.29.31': () =>
      sequence(() =>
        derElement(
          Tag.sequence,
          ...(dice.chance(5)
            ? []
            : [
                derElement(
                  CONTEXT | CONSTRUCTED | 0,
                  derElement(CONTEXT | CONSTRUCTED | dice.below(2), ...names()),
                ),
              ]),
          ...(dice.chance(4) ? [derElement(CONTEXT | 1, Uint8Array.of(1, 6))] : []),
          ...(dice.chance(4) ? [derElement(CONTEXT | CONSTRUCTED | 2, ...names())] : []),
        ),
      ),
    '2.5.29.32': () =>
      sequence(() =>
        derElement(
          Tag.sequence,
          oid(dice.one(POLICY_OIDS)),
          ...(dice.chance(2)
            ? [
                sequence(() =>
                  derElement(
                    Tag.sequence,
                    oid(dice.one(['1.3.6.1.5.5.7.2.1', '1.3.6.1.5.5.7.2.2', '1.2.3'])),
                    derElement(
                      dice.one([Tag.ia5String, Tag.utf8String, Tag.sequence]),
                      dice.chance(2) ? Buffer.from('http://x') : dice.bytes(5),
                    ),
                  ),
                ),
              ]
            : []),
        ),
      ),
    '2.5.29.33': () =>
      sequence(() => derElement(Tag.sequence, oid(dice.one(POLICY_OIDS)), oid(dice.one(POLICY_OIDS)))),
    '2.5.29.35': () =>
      derElement(
        Tag.sequence,
        ...(dice.chance(4) ? [] : [derElement(CONTEXT, dice.bytes(21))]),
        ...(dice.chance(3) ? [derElement(CONTEXT | CONSTRUCTED | 1, ...names())] : []),
        ...(dice.chance(3) ? [derElement(CONTEXT | 2, dice.bytes(4))] : []),
      ),
    '2.5.29.36': () =>
      derElement(
        Tag.sequence,
        ...[0, 1].flatMap((tag) => (dice.chance(2) ? [derElement(CONTEXT | tag, dice.bytes(5))] : [])),
      ),
    '2.5.29.37': () => sequence(() => oid(dice.one(PURPOSES))),
    '2.5.29.46': () => dice.bytes(5),
    '2.5.29.16': () => derElement(Tag.sequence, derElement(CONTEXT, Buffer.from('20250101000000Z'))),
    '2.5.29.54': () => derElement(Tag.integer, dice.bytes(9)),
    '2.16.840.1.113730.1.1': () => derElement(Tag.bitString, Uint8Array.of(0, 7)),
    '1.3.6.1.5.5.7.1.1': () =>
      sequence(() =>
        derElement(
          Tag.sequence,
          oid(dice.one(['1.3.6.1.5.5.7.48.1', '1.3.6.1.5.5.7.48.2', '1.2.99999999999'])),
          generalName(dice),
        ),
      ),
    '1.3.6.1.5.5.7.1.11': () =>
      sequence(() => derElement(Tag.sequence, oid('1.3.6.1.5.5.7.48.5'), generalName(dice))),
    '1.3.6.1.5.5.7.1.3': () => dice.bytes(8),
    '1.3.6.1.4.1.99999.1': () => dice.bytes(8),
  };
  const [number, make] = dice.one(Object.entries(kinds));
  const value = make();
  return extension(number, dice.chance(15) ? flipped(dice, value) : value, critical);
}

function generalName(dice: Dice): Uint8Array {
  switch (dice.below(9)) {
    case 0:
      return derElement(CONTEXT | 1, dice.chance(2) ? Buffer.from(dice.one(HOSTS)) : dice.bytes(8));
    case 1:
      return derElement(CONTEXT | 2, dice.chance(2) ? Buffer.from(dice.one(HOSTS)) : dice.bytes(8));
    case 2:
      return derElement(CONTEXT | 7, dice.bytes(17));
    case 3:
      return derElement(CONTEXT | CONSTRUCTED | 4, name(dice));
    case 4:
      return derElement(CONTEXT | 8, dice.bytes(6));
    case 5:
      return derElement(
        CONTEXT | CONSTRUCTED | 0,
        derObjectIdentifier('1.2.3'),
        derElement(CONTEXT | CONSTRUCTED | 0, derElement(Tag.utf8String, dice.bytes(3))),
      );
    case 6:
      return derElement(CONTEXT | CONSTRUCTED | dice.one([3, 5]), dice.bytes(4));
    default:
      return derElement(CONTEXT | 6, dice.chance(4) ? dice.text(12) : Buffer.from(dice.one(URIS)));
  }
}

function subtree(dice: Dice): Uint8Array {
  const base = dice.chance(3)
    ? derElement(CONTEXT | 7, dice.chance(2) ? Uint8Array.of(10, 0, 0, 0, 255, 0, 0, 0) : dice.bytes(32))
    : dice.chance(5)
      ? generalName(dice)
      : derElement(CONTEXT | dice.one([1, 2, 6]), Buffer.from(dice.one(HOSTS)));
  return derElement(Tag.sequence, base, ...(dice.chance(10) ? [derInteger(dice.below(2), CONTEXT)] : []));
}
