import { generateKeyPairSync } from 'node:crypto';
import { CONSTRUCTED, CONTEXT, Tag } from '../src/spiffe/base/der.ts';
import { derElement, derInteger, derObjectIdentifier } from '../src/spiffe/base/der-writer.ts';
import {
  algorithm,
  attribute,
  extension,
  FALSE,
  generalizedTime,
  nameOf,
  oddCertificate,
  type OddParts,
  rsaSpki,
  soundExtensions,
  soundParts,
  spkiOf,
  TRUE,
  utcTime,
} from './odd-certificates.ts';

/** A root that some program cannot read, or that all can although it looks odd. */
export interface OddRoot {
  readonly name: string;
  readonly der: Uint8Array;
  /** Whether it counts as an authority of a peer's bundle. */
  readonly counts: boolean;
}

const CN = '2.5.4.3';
const text = (value: string) => Buffer.from(value, 'latin1');
const bmp = (value: string) => Buffer.from(value, 'utf16le').swap16();
const MODULUS = 2n ** 2047n + 2n ** 1000n + 1n;
const RSA = '1.2.840.113549.1.1.1';
const SHA256 = '2.16.840.1.101.3.4.2.1';
const CODE_SIGNING = '1.3.6.1.5.5.7.3.3';

/** The odd roots, by what is odd about them. The keys are made on each call. */
export function oddRoots(): readonly OddRoot[] {
  return [...names(), ...serials(), ...times(), ...keys(), ...extensions(), ...others()];
}

function root(name: string, counts: boolean, parts: Partial<OddParts>): OddRoot {
  const sound = soundParts();
  const spki = parts.spki ?? sound.spki;
  return {
    name,
    counts,
    der: oddCertificate({ ...sound, ...parts, extensions: parts.extensions ?? soundExtensions(spki) }),
  };
}

function names(): OddRoot[] {
  const named = (name: string, counts: boolean, tag: number, value: Uint8Array) =>
    root(name, counts, { subject: nameOf(attribute(CN, tag, value)) });
  return [
    named('PrintableString within its alphabet', true, Tag.printableString, text("Root (1) 'a' +,-./:=?")),
    named('PrintableString with * and &, which Go lets pass', true, Tag.printableString, text('Root * & Co')),
    named('PrintableString with _', false, Tag.printableString, text('Root_1')),
    named('PrintableString with @', false, Tag.printableString, text('ca@odd.example')),
    named('NumericString of digits and spaces', true, Tag.numericString, text('12 34')),
    named('NumericString with a letter', false, Tag.numericString, text('12a')),
    named('IA5String', true, Tag.ia5String, text('ca_@odd.example')),
    named('IA5String above ASCII', false, Tag.ia5String, Uint8Array.of(0x61, 0xe9)),
    named('UTF8String above ASCII', true, Tag.utf8String, Buffer.from('Größe 根')),
    named('UTF8String that is not UTF-8', false, Tag.utf8String, Uint8Array.of(0x61, 0xff)),
    named('UTF8String with a surrogate', false, Tag.utf8String, Uint8Array.of(0xed, 0xa0, 0x80)),
    named('UTF8String with a noncharacter', false, Tag.utf8String, Buffer.from('a\uffff')),
    named(
      'UTF8String with a noncharacter of the last plane',
      false,
      Tag.utf8String,
      Buffer.from('a\u{10fffe}'),
    ),
    named('T61String above ASCII', true, Tag.teletexString, Uint8Array.of(0x47, 0xf6)),
    named('BMPString', true, Tag.bmpString, bmp('Größe')),
    named('BMPString of an odd length', false, Tag.bmpString, Uint8Array.of(0, 0x61, 0)),
    named('BMPString with a lone surrogate', false, Tag.bmpString, Uint8Array.of(0xd8, 0)),
    named('BMPString with a pair of surrogates', false, Tag.bmpString, bmp('\u{1f600}')),
    named('BMPString with a noncharacter', false, Tag.bmpString, bmp('\uffff')),
    named('BMPString with a noncharacter of the Arabic block', false, Tag.bmpString, bmp('\ufdd0')),
    named('UniversalString', false, Tag.universalString, Uint8Array.of(0, 0, 0, 0x61)),
    named('UniversalString beyond Unicode', false, Tag.universalString, Uint8Array.of(0x7f, 0, 0, 0)),
    named('VisibleString', false, 0x1a, text('Root')),
    named('GeneralString', false, 0x1b, text('Root')),
    named('GraphicString', false, 0x19, text('Root')),
    named('VideotexString', false, 0x15, text('Root')),
    named('INTEGER as a name', false, Tag.integer, Uint8Array.of(5)),
    named('BIT STRING as a name', false, Tag.bitString, Uint8Array.of(0, 5)),
    named('OCTET STRING as a name', false, Tag.octetString, text('Root')),
    named('BOOLEAN as a name', false, Tag.boolean, Uint8Array.of(0xff)),
    named('SEQUENCE as a name', false, Tag.sequence, derElement(Tag.utf8String, text('Root'))),
    named('an empty value', true, Tag.utf8String, Uint8Array.of()),
    root('an empty subject', false, {
      subject: nameOf(),
      issuer: nameOf(attribute(CN, Tag.utf8String, text('a'))),
    }),
    root('an empty issuer', false, { issuer: nameOf() }),
    root('a bad string in the issuer alone', false, {
      issuer: nameOf(attribute(CN, Tag.printableString, text('_'))),
    }),
    root('an attribute with a number of 32 bits', false, {
      subject: nameOf(attribute('1.3.6.1.4.1.4294967295', Tag.utf8String, text('a'))),
    }),
  ];
}

function serials(): OddRoot[] {
  const numbered = (name: string, counts: boolean, hex: string) =>
    root(name, counts, { serial: Buffer.from(hex, 'hex') });
  return [
    numbered('serial number one', true, '01'),
    numbered('serial number of 20 octets', true, `7f${'ab'.repeat(19)}`),
    numbered('serial number zero', false, '00'),
    numbered('serial number minus one', false, 'ff'),
    numbered('serial number that is negative', false, 'ee2b3deb'),
    numbered('serial number of 21 octets', false, `7f${'ab'.repeat(20)}`),
    numbered('serial number without bytes', false, ''),
    numbered('serial number with a zero too many', false, '0001'),
  ];
}

function times(): OddRoot[] {
  return [
    root('GeneralizedTime before 2050', true, { notAfter: generalizedTime('20450101000000Z') }),
    root('the end of all time', true, { notAfter: generalizedTime('99991231235959Z') }),
    root('UTCTime without seconds', false, { notBefore: utcTime('2501010000Z') }),
    root('UTCTime with a zone', false, { notBefore: utcTime('250101000000+0100') }),
    root('GeneralizedTime with a fraction', false, { notAfter: generalizedTime('20450101000000.5Z') }),
    root('the 30th of February', false, { notAfter: utcTime('450230000000Z') }),
    root('a leap second', false, { notAfter: utcTime('441231235960Z') }),
    root('an end before the beginning', false, { notBefore: utcTime('460101000000Z') }),
  ];
}

function keys(): OddRoot[] {
  const p256 = spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey);
  const ed25519 = spkiOf(generateKeyPairSync('ed25519').publicKey);
  const offCurve = Buffer.from(p256);
  offCurve.writeUInt8((offCurve.at(-1) ?? 0) ^ 1, offCurve.length - 1);
  const point = p256.subarray(-64);
  const compressed = Buffer.concat([Uint8Array.of(2 + ((point.at(-1) ?? 0) & 1)), point.subarray(0, 32)]);
  const onCurve = (curve: string, key: Uint8Array) =>
    derElement(
      Tag.sequence,
      algorithm('1.2.840.10045.2.1', derObjectIdentifier(curve)),
      derElement(Tag.bitString, Uint8Array.of(0), key),
    );
  const keyed = (name: string, counts: boolean, spki: Uint8Array) => root(name, counts, { spki });
  return [
    keyed('RSA-2048', true, rsaSpki(MODULUS, 65537n)),
    keyed('RSA-8192', true, rsaSpki(2n ** 8191n + 2n ** 4000n + 1n, 65537n)),
    keyed('RSA-8193', false, rsaSpki(2n ** 8192n + 2n ** 4000n + 1n, 65537n)),
    keyed('RSA-1024', false, rsaSpki(2n ** 1023n + 1n, 65537n)),
    keyed('RSA-2047', false, rsaSpki(2n ** 2046n + 1n, 65537n)),
    keyed('RSA of an even modulus', false, rsaSpki(MODULUS + 1n, 65537n)),
    keyed('RSA exponent three', true, rsaSpki(MODULUS, 3n)),
    keyed('RSA exponent one', false, rsaSpki(MODULUS, 1n)),
    keyed('RSA exponent that is even', false, rsaSpki(MODULUS, 65536n)),
    keyed('RSA exponent of 31 bits', true, rsaSpki(MODULUS, 2n ** 31n - 1n)),
    keyed('RSA exponent of 32 bits', false, rsaSpki(MODULUS, 2n ** 32n - 1n)),
    keyed('RSA exponent of 33 bits', false, rsaSpki(MODULUS, 2n ** 32n + 1n)),
    keyed('RSA exponent of 64 bits', false, rsaSpki(MODULUS, 2n ** 64n - 1n)),
    keyed('RSA exponent of 65 bits', false, rsaSpki(MODULUS, 2n ** 64n + 1n)),
    keyed('RSA without parameters', false, rsaSpki(MODULUS, 65537n, algorithm(RSA))),
    keyed('RSA under id-RSASSA-PSS', false, rsaSpki(MODULUS, 65537n, algorithm('1.2.840.113549.1.1.10'))),
    keyed('P-256 off its curve', false, offCurve),
    keyed('P-256 compressed', false, onCurve('1.2.840.10045.3.1.7', compressed)),
    keyed('P-256 at infinity', false, onCurve('1.2.840.10045.3.1.7', Uint8Array.of(0))),
    keyed(
      'P-256 with explicit parameters',
      false,
      derElement(
        Tag.sequence,
        algorithm('1.2.840.10045.2.1', derElement(Tag.sequence, derInteger(1))),
        derElement(Tag.bitString, Uint8Array.of(0, 4), point),
      ),
    ),
    keyed('P-224', false, spkiOf(generateKeyPairSync('ec', { namedCurve: 'secp224r1' }).publicKey)),
    keyed('secp256k1', false, spkiOf(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).publicKey)),
    keyed('P-384', true, spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey)),
    keyed('P-521', true, spkiOf(generateKeyPairSync('ec', { namedCurve: 'P-521' }).publicKey)),
    keyed('Ed25519', true, ed25519),
    keyed('Ed25519 that is not a point', false, Buffer.concat([ed25519.subarray(0, 12), notAPoint()])),
    keyed(
      'Ed25519 not reduced',
      false,
      Buffer.concat([ed25519.subarray(0, 12), Buffer.alloc(31, 0xff), Uint8Array.of(0x7f)]),
    ),
    ...LOW_ORDER_POINTS.map((hex) =>
      keyed(
        `Ed25519 of low order, ${hex.slice(0, 6)}…${hex.slice(-2)}`,
        false,
        Buffer.concat([ed25519.subarray(0, 12), Buffer.from(hex, 'hex')]),
      ),
    ),
    keyed('Ed448', false, spkiOf(generateKeyPairSync('ed448').publicKey)),
    keyed('X25519', false, spkiOf(generateKeyPairSync('x25519').publicKey)),
  ];
}

/** The points of edwards25519 for which any party can sign: of order 1, 2, 4 and 8. */
const LOW_ORDER_POINTS: readonly string[] = [
  `01${'00'.repeat(31)}`,
  `ec${'ff'.repeat(30)}7f`,
  '00'.repeat(32),
  `${'00'.repeat(31)}80`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
];

/** y = 2 belongs to no point of edwards25519. */
function notAPoint(): Uint8Array {
  const bytes = new Uint8Array(32);
  bytes[0] = 2;
  return bytes;
}

function extensions(): OddRoot[] {
  const sound = soundExtensions(soundParts().spki);
  const with_ = (name: string, counts: boolean, ...more: readonly Uint8Array[]) =>
    root(name, counts, { extensions: [...sound, ...more] });
  const [basic, usage, keyId, altName] = sound as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  const oid = derObjectIdentifier;
  const purposes = (...oids: readonly string[]) => derElement(Tag.sequence, ...oids.map(oid));
  const san = (...parts: readonly Uint8Array[]) => extension('2.5.29.17', derElement(Tag.sequence, ...parts));
  const uri = (value: string) => derElement(CONTEXT | 6, text(value));
  const constraint = (...bases: readonly Uint8Array[]) =>
    extension(
      '2.5.29.30',
      derElement(
        Tag.sequence,
        derElement(CONTEXT | CONSTRUCTED | 0, ...bases.map((base) => derElement(Tag.sequence, base))),
      ),
      true,
    );
  const renamed = (name: string, counts: boolean, ...parts: readonly Uint8Array[]) =>
    root(name, counts, { extensions: [basic, usage, keyId, san(...parts)] });
  return [
    with_(
      'EKU for server and client',
      true,
      extension('2.5.29.37', purposes('1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2')),
    ),
    with_('EKU any', true, extension('2.5.29.37', purposes('2.5.29.37.0'))),
    with_('EKU for code signing alone', true, extension('2.5.29.37', purposes(CODE_SIGNING))),
    with_('EKU without a purpose', false, extension('2.5.29.37', derElement(Tag.sequence))),
    with_('EKU with a number of 64 bits', false, extension('2.5.29.37', purposes('1.3.9007199254740991'))),
    with_('an extension twice', false, keyId),
    with_('an unknown extension', true, extension('1.3.6.1.4.1.55555.1', text('anything'))),
    with_('an unknown critical extension', false, extension('1.3.6.1.4.1.55555.1', text('anything'), true)),
    with_('an extension with a number of 64 bits', false, extension('1.3.9007199254740991', text('a'))),
    with_('an extension that states its default', true, extension('1.3.6.1.4.1.55555.1', text('a'), false)),
    root('a critical key identifier', false, {
      extensions: [
        basic,
        usage,
        altName,
        extension('2.5.29.14', derElement(Tag.octetString, text('id')), true),
      ],
    }),
    root('basic constraints with cA false stated', false, {
      extensions: [extension('2.5.29.19', derElement(Tag.sequence, FALSE), true), usage, keyId],
    }),
    root('a path length of zero', true, {
      extensions: [extension('2.5.29.19', derElement(Tag.sequence, TRUE, derInteger(0)), true), usage, keyId],
    }),
    root('a path length of 32 bits', false, {
      extensions: [
        extension('2.5.29.19', derElement(Tag.sequence, TRUE, derInteger(2 ** 32 - 1)), true),
        usage,
        keyId,
      ],
    }),
    root('a negative path length', false, {
      extensions: [
        extension(
          '2.5.29.19',
          derElement(Tag.sequence, TRUE, derElement(Tag.integer, Uint8Array.of(0xff))),
          true,
        ),
        usage,
        keyId,
      ],
    }),
    root('key usage without a bit', false, {
      extensions: [basic, extension('2.5.29.15', derElement(Tag.bitString, Uint8Array.of(0)), true), keyId],
    }),
    root('key usage with a tenth bit', false, {
      extensions: [
        basic,
        extension('2.5.29.15', derElement(Tag.bitString, Uint8Array.of(6, 0x04, 0x40)), true),
        keyId,
      ],
    }),
    with_(
      'authority key identifier',
      true,
      extension('2.5.29.35', derElement(Tag.sequence, derElement(CONTEXT, text('id')))),
    ),
    with_(
      'authority key identifier, critical',
      false,
      extension('2.5.29.35', derElement(Tag.sequence, derElement(CONTEXT, text('id'))), true),
    ),
    with_(
      'authority key identifier with a serial number alone',
      false,
      extension('2.5.29.35', derElement(Tag.sequence, derElement(CONTEXT | 2, Uint8Array.of(1)))),
    ),
    renamed('a URI with a port and a path', true, uri('https://ca.odd.example:8443/a/b%20c?d=e')),
    renamed('a URN', true, uri('urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6')),
    renamed('a URI with a space', false, uri('https://odd.example/a b')),
    renamed('a URI with a bad escape', false, uri('https://odd.example/%zz')),
    renamed('a URI with a bad port', false, uri('https://odd.example:abc/')),
    renamed('a URI with an IPv6 address in brackets', false, uri('https://[::1/')),
    renamed('a URI without a scheme', false, uri('odd.example/ca')),
    renamed('a URI above ASCII', false, uri('spiffe://odd.example/\xe9')),
    renamed('a DNS name', true, derElement(CONTEXT | 2, text('ca.odd.example'))),
    renamed('a DNS name above ASCII', false, derElement(CONTEXT | 2, text('c\xe9.example'))),
    renamed('an e-mail address above ASCII', false, derElement(CONTEXT | 1, text('\xe9@odd.example'))),
    renamed('an address of four bytes', true, derElement(CONTEXT | 7, Uint8Array.of(10, 0, 0, 1))),
    renamed('an address of five bytes', false, derElement(CONTEXT | 7, Uint8Array.of(10, 0, 0, 1, 1))),
    renamed('no alternative name', false),
    with_('name constraints on a host', true, constraint(derElement(CONTEXT | 2, text('odd.example')))),
    with_(
      'name constraints with a dot at the end',
      false,
      constraint(derElement(CONTEXT | 2, text('odd.example.'))),
    ),
    with_(
      'name constraints with an underscore',
      false,
      constraint(derElement(CONTEXT | 6, text('a_b.example'))),
    ),
    with_(
      'name constraints with a hole in the mask',
      false,
      constraint(derElement(CONTEXT | 7, Uint8Array.of(10, 0, 0, 0, 255, 0, 255, 0))),
    ),
    with_('name constraints with an address for a URI', false, constraint(uri('10.0.0.1'))),
    with_('name constraints that are empty', false, extension('2.5.29.30', derElement(Tag.sequence), true)),
    with_(
      'CRL distribution points',
      true,
      extension(
        '2.5.29.31',
        derElement(
          Tag.sequence,
          derElement(
            Tag.sequence,
            derElement(
              CONTEXT | CONSTRUCTED | 0,
              derElement(CONTEXT | CONSTRUCTED | 0, uri('http://odd.example/crl')),
            ),
          ),
        ),
      ),
    ),
    with_('CRL distribution points that are none', false, extension('2.5.29.31', text('crl'))),
    with_(
      'authority information access',
      true,
      extension(
        '1.3.6.1.5.5.7.1.1',
        derElement(
          Tag.sequence,
          derElement(Tag.sequence, oid('1.3.6.1.5.5.7.48.2'), uri('http://odd.example/ca')),
        ),
      ),
    ),
    with_(
      'authority information access that is none',
      false,
      extension('1.3.6.1.5.5.7.1.1', derElement(Tag.sequence, text('x'))),
    ),
    with_(
      'authority information access, critical',
      false,
      extension(
        '1.3.6.1.5.5.7.1.1',
        derElement(
          Tag.sequence,
          derElement(Tag.sequence, oid('1.3.6.1.5.5.7.48.2'), uri('http://odd.example/ca')),
        ),
        true,
      ),
    ),
    with_(
      'certificate policies',
      true,
      extension('2.5.29.32', derElement(Tag.sequence, derElement(Tag.sequence, oid('2.5.29.32.0')))),
    ),
    with_(
      'a certificate policy twice',
      false,
      extension(
        '2.5.29.32',
        derElement(
          Tag.sequence,
          derElement(Tag.sequence, oid('2.5.29.32.0')),
          derElement(Tag.sequence, oid('2.5.29.32.0')),
        ),
      ),
    ),
    root('no extensions', false, { extensions: [] }),
  ];
}

function others(): OddRoot[] {
  const sound = oddCertificate(soundParts());
  const hash256 = algorithm(SHA256, derElement(Tag.null));
  const pss = derElement(
    Tag.sequence,
    derElement(CONTEXT | CONSTRUCTED | 0, hash256),
    derElement(CONTEXT | CONSTRUCTED | 1, algorithm('1.2.840.113549.1.1.8', hash256)),
    derElement(CONTEXT | CONSTRUCTED | 2, derInteger(32)),
  );
  return [
    { name: 'a sound root', der: sound, counts: true },
    { name: 'a root with a byte behind it', der: Buffer.concat([sound, Uint8Array.of(0)]), counts: false },
    {
      name: 'a root in an indefinite length',
      der: Buffer.concat([Uint8Array.of(0x30, 0x80), sound.subarray(4), Uint8Array.of(0, 0)]),
      counts: false,
    },
    root('signed with SHA-1', true, {
      signatureAlgorithm: algorithm('1.2.840.113549.1.1.5', derElement(Tag.null)),
    }),
    root('signed with RSA-PSS', true, { signatureAlgorithm: algorithm('1.2.840.113549.1.1.10', pss) }),
    root('a unique identifier of the subject', false, {
      uniqueIds: [derElement(CONTEXT | 2, Uint8Array.of(0, 1))],
    }),
  ];
}
