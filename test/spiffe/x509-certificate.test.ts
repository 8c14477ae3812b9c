import { createHash, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { CONSTRUCTED, CONTEXT, Tag } from '../../src/spiffe/base/der.ts';
import { derElement, derInteger, derObjectIdentifier } from '../../src/spiffe/base/der-writer.ts';
import { parseCertificate } from '../../src/spiffe/index.ts';
import { attempt, codeOf } from './attempt.ts';
import { type Made, makeCa, makeLeaf, rebuild, unknownExtension } from './chain-maker.ts';

let root: Made;
let leaf: Made;
beforeAll(async () => {
  root = await makeCa('O=Acme,CN=Root', undefined, { pathLength: 3, serialNumber: '0a' });
  leaf = await makeLeaf(root, { dnsSans: ['a.example'], extendedKeyUsage: ['serverAuth'] });
});

/**
 * Replaces the extensions of a certificate by these, each `[oid, critical, value]`, and signs it
 * again.
 */
function withExtensions(...extensions: [oid: string, critical: boolean, value: Uint8Array][]): Uint8Array {
  const list = extensions.map(([oid, critical, value]) =>
    derElement(
      Tag.sequence,
      derObjectIdentifier(oid),
      ...(critical ? [derElement(Tag.boolean, Uint8Array.of(0xff))] : []),
      derElement(Tag.octetString, value),
    ),
  );
  return rebuild(leaf.der, root.privateKey, (parts) => [
    ...parts.slice(0, -1),
    derElement(CONTEXT | CONSTRUCTED | 3, derElement(Tag.sequence, ...list)),
  ]);
}

const code = (der: Uint8Array) => codeOf(() => parseCertificate(der));
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('parseCertificate()', () => {
  it('bounds certificate policies and mappings, and refuses trailing bytes in them (RFC 5280 §4.2.1.4, §4.2.1.5, §4.2.1.11)', () => {
    const oid = (number: number) => derObjectIdentifier(`1.3.6.1.4.1.99.${number}`);
    const list = (count: number, make: (number: number) => Uint8Array) =>
      derElement(Tag.sequence, ...Array.from({ length: count }, (_, number) => make(number)));
    const policy = (number: number) => derElement(Tag.sequence, oid(number));
    const mapping = (number: number) => derElement(Tag.sequence, oid(number), oid(number + 1));
    const junk = derElement(Tag.null);
    const cases: [string, accepted: Uint8Array, refused: Uint8Array][] = [
      ['2.5.29.32', list(100, policy), list(101, policy)],
      ['2.5.29.32', list(1, policy), derElement(Tag.sequence, policy(1), policy(1))],
      ['2.5.29.32', list(1, policy), list(0, policy)],
      [
        '2.5.29.32',
        list(2, policy),
        list(2, (number) => derElement(Tag.sequence, oid(number), derElement(Tag.sequence), junk)),
      ],
      ['2.5.29.33', list(100, mapping), list(101, mapping)],
      [
        '2.5.29.33',
        list(1, mapping),
        list(1, (number) => derElement(Tag.sequence, oid(number), oid(2), junk)),
      ],
      [
        '2.5.29.36',
        derElement(Tag.sequence, derInteger(1, CONTEXT | 1)),
        derElement(Tag.sequence, derInteger(1, CONTEXT | 1), junk),
      ],
      ['2.5.29.36', derElement(Tag.sequence, derInteger(1, CONTEXT)), derElement(Tag.sequence)],
      ['2.5.29.54', derInteger(1), derElement(Tag.integer, Uint8Array.of(0xff))],
    ];
    for (const [number, accepted, refused] of cases) {
      expect(code(withExtensions([number, true, accepted]))).toBe('accepted');
      expect(code(withExtensions([number, true, refused]))).toBe('certificate-malformed');
    }
  });

  it('reads what Node’s own reader reads', () => {
    for (const { der } of [root, leaf]) {
      const certificate = parseCertificate(der);
      const other = new X509Certificate(der);
      expect(certificate.fingerprint).toBe(other.fingerprint256.replaceAll(':', '').toLowerCase());
      expect(certificate.serialNumberHex.replace(/^0+/, '')).toBe(
        other.serialNumber.toLowerCase().replace(/^0+/, ''),
      );
      expect(certificate.notAfter).toEqual(other.validToDate);
      expect(certificate.isCa).toBe(other.ca);
      const spki = other.publicKey.export({ type: 'spki', format: 'der' });
      expect(certificate.keyFingerprint).toBe(createHash('sha256').update(spki).digest('hex'));
    }
    expect(parseCertificate(root.der)).toMatchObject({
      subject: 'O=Acme,CN=Root',
      issuer: 'O=Acme,CN=Root',
      pathLength: 3,
      isSelfIssued: true,
      keyUsage: new Set(['keyCertSign']),
    });
    expect(parseCertificate(leaf.der)).toMatchObject({
      subject: '',
      issuer: 'O=Acme,CN=Root',
      isCa: false,
      isSelfIssued: false,
      extendedKeyUsage: new Set(['1.3.6.1.5.5.7.3.1']),
      subjectAltNames: { uris: ['spiffe://td.example/w'], dnsNames: ['a.example'], ips: [], emails: [] },
      authorityKeyId: parseCertificate(root.der).subjectKeyId,
    });
  });

  it('requires version 3', () => {
    const version = (...head: Uint8Array[]) =>
      rebuild(leaf.der, root.privateKey, (parts) => [...head, ...parts.slice(1)]);
    expect(code(version(derElement(CONTEXT | CONSTRUCTED | 0, derInteger(2))))).toBe('accepted');
    expect(code(version(derElement(CONTEXT | CONSTRUCTED | 0, derInteger(1))))).toBe('certificate-version');
    expect(code(version(derElement(CONTEXT | CONSTRUCTED | 0, derInteger(3))))).toBe('certificate-version');
    expect(code(rebuild(leaf.der, root.privateKey, (parts) => parts.slice(1)))).toBe('certificate-version');
  });

  it('accepts serial numbers of up to 20 octets, including negative ones and zero', () => {
    const serial = (bytes: Uint8Array) =>
      code(rebuild(leaf.der, root.privateKey, (parts) => parts.with(1, derElement(Tag.integer, bytes))));
    expect(serial(Uint8Array.of(0))).toBe('accepted');
    expect(serial(Uint8Array.of(0xff))).toBe('accepted');
    expect(serial(Buffer.alloc(20, 0x7f))).toBe('accepted');
    expect(serial(Buffer.concat([Buffer.of(0), Buffer.alloc(20, 0xff)]))).toBe('accepted');
    expect(serial(Buffer.alloc(21, 0x7f))).toBe('certificate-malformed');
    expect(serial(Uint8Array.of(0, 1))).toBe('certificate-malformed');
    expect(serial(Uint8Array.of())).toBe('certificate-malformed');
  });

  it('refuses signature algorithms that differ inside and outside', () => {
    const inner = derElement(Tag.sequence, derObjectIdentifier('1.2.840.10045.4.3.3'));
    expect(code(rebuild(leaf.der, root.privateKey, (parts) => parts))).toBe('accepted');
    expect(code(rebuild(leaf.der, root.privateKey, (parts) => parts.with(2, inner)))).toBe(
      'certificate-malformed',
    );
  });

  it.each([
    [Tag.utcTime, '300101000000Z', 'accepted'],
    [Tag.generalizedTime, '20300101000000Z', 'accepted'],
    [Tag.generalizedTime, '20500101000000Z', 'accepted'],
    [Tag.utcTime, '3001010000Z', 'certificate-malformed'],
    [Tag.utcTime, '300101000000+0000', 'certificate-malformed'],
    [Tag.utcTime, '300101000060Z', 'certificate-malformed'],
    [Tag.utcTime, '300230000000Z', 'certificate-malformed'],
    [Tag.utcTime, '301301000000Z', 'certificate-malformed'],
    [Tag.utcTime, '300100000000Z', 'certificate-malformed'],
    [Tag.utcTime, '300101240000Z', 'certificate-malformed'],
    [Tag.utcTime, ' 30101000000Z', 'certificate-malformed'],
    [Tag.utcTime, '20300101000000Z', 'certificate-malformed'],
    [Tag.generalizedTime, '20300101000000.5Z', 'certificate-malformed'],
    [Tag.generalizedTime, '20300101000000', 'certificate-malformed'],
    [Tag.generalizedTime, '300101000000Z', 'certificate-malformed'],
    [Tag.ia5String, '300101000000Z', 'certificate-malformed'],
  ])('holds times to RFC 5280 §4.1.2.5: tag %d, %s is %s', (tag, text, expected) => {
    const validity = derElement(
      Tag.sequence,
      derElement(tag, Buffer.from(text)),
      derElement(Tag.utcTime, Buffer.from('491231235959Z')),
    );
    expect(code(rebuild(leaf.der, root.privateKey, (parts) => parts.with(4, validity)))).toBe(expected);
  });

  it('reads two-digit years as 1950 to 2049', () => {
    const at = (text: string) => {
      const time = derElement(Tag.utcTime, Buffer.from(text));
      return parseCertificate(
        rebuild(leaf.der, root.privateKey, (parts) => parts.with(4, derElement(Tag.sequence, time, time))),
      ).notBefore;
    };
    expect(at('500101000000Z')).toEqual(new Date('1950-01-01T00:00:00Z'));
    expect(at('491231235959Z')).toEqual(new Date('2049-12-31T23:59:59Z'));
    expect(at('000229000000Z')).toEqual(new Date('2000-02-29T00:00:00Z'));
  });

  it('refuses a repeated extension', () => {
    const { oid, critical, value } = unknownExtension(false);
    expect(code(withExtensions([oid, critical, value]))).toBe('accepted');
    expect(code(withExtensions([oid, critical, value], ['1.2.3.4.6', critical, value]))).toBe('accepted');
    expect(code(withExtensions([oid, critical, value], [oid, true, value]))).toBe('certificate-malformed');
    expect(code(withExtensions())).toBe('certificate-malformed');
  });

  it.each([
    ['2.5.29.19', '30 00', 'accepted', 'basicConstraints without a word'],
    ['2.5.29.19', '30 03 01 01 00', 'accepted', 'cA false in so many words, as many CAs write it'],
    ['2.5.29.19', '30 03 01 01 01', 'certificate-malformed', 'a boolean of 1'],
    ['2.5.29.19', '30 06 01 01 ff 02 01 ff', 'certificate-malformed', 'a negative path length'],
    ['2.5.29.19', '30 06 01 01 ff 02 01 00', 'accepted', 'path length zero'],
    ['2.5.29.19', '30 00 00', 'certificate-malformed', 'bytes that trail'],
    ['2.5.29.19', '05 00', 'certificate-malformed', 'another type'],
    ['2.5.29.15', '03 02 07 80', 'accepted', 'digitalSignature'],
    ['2.5.29.15', '03 03 07 00 80', 'accepted', 'decipherOnly alone'],
    ['2.5.29.15', '03 01 00', 'certificate-malformed', 'no usage at all'],
    ['2.5.29.15', '03 02 00 80', 'certificate-malformed', 'trailing zero bits'],
    ['2.5.29.15', '03 02 08 80', 'certificate-malformed', 'eight unused bits'],
    ['2.5.29.15', '03 02 07 c0', 'certificate-malformed', 'an unused bit that is set'],
    ['2.5.29.37', '30 00', 'certificate-malformed', 'no purpose at all'],
    ['2.5.29.37', '30 0a 06 08 2b 06 01 05 05 07 03 01', 'accepted', 'serverAuth'],
    ['2.5.29.17', '30 00', 'certificate-malformed', 'no name at all'],
    ['2.5.29.17', '30 03 82 01 61', 'accepted', 'a DNS name'],
    ['2.5.29.17', '30 03 a2 01 61', 'certificate-malformed', 'a constructed DNS name'],
    ['2.5.29.17', '30 03 89 01 61', 'certificate-malformed', 'a name of no kind'],
    ['2.5.29.17', '30 81 03 82 01 61', 'certificate-malformed', 'a length in too many bytes'],
    ['2.5.29.17', '30 80 82 01 61 00 00', 'certificate-malformed', 'an indefinite length'],
    ['2.5.29.17', '65 78 61 6d 70 6c 65', 'certificate-malformed', 'text where DER belongs'],
    ['2.5.29.30', '30 00', 'certificate-malformed', 'empty name constraints'],
    ['2.5.29.30', '30 02 a0 00', 'certificate-malformed', 'an empty list of subtrees'],
    ['2.5.29.30', '30 07 a0 05 30 03 82 01 61', 'accepted', 'a permitted DNS name'],
    ['2.5.29.36', '30 00', 'certificate-malformed', 'empty policy constraints'],
    ['2.5.29.54', '02 01 00', 'accepted', 'inhibitAnyPolicy'],
    ['2.5.29.54', '02 01 ff', 'certificate-malformed', 'inhibitAnyPolicy below zero'],
    [
      '2.5.29.32',
      '30 0a 30 03 06 01 2a 30 03 06 01 2a',
      'certificate-malformed',
      'a policy that comes twice',
    ],
    ['2.5.29.14', '04 01 00', 'accepted', 'a key identifier'],
    ['2.5.29.14', '03 01 00', 'certificate-malformed', 'a key identifier of another type'],
    ['2.5.29.35', '30 00', 'accepted', 'an empty authority key identifier'],
    ['2.5.29.35', '30 03 82 01 05', 'accepted', 'an authority by serial number'],
    ['2.5.29.35', '30 03 83 01 05', 'certificate-malformed', 'an authority by nothing known'],
  ])('reads extension %s %s: %s (%s)', (oid, value, expected) => {
    expect(code(withExtensions([oid, false, hex(value)]))).toBe(expected);
  });

  it('treats key identifiers that claim to be critical as unknown extensions (RFC 5280 §4.2.1.1, §4.2.1.2)', () => {
    const unknown = (critical: boolean) =>
      parseCertificate(withExtensions(['2.5.29.14', critical, hex('04 01 00')])).extensions.unknownCritical;
    expect([unknown(false), unknown(true)]).toEqual([[], ['2.5.29.14']]);
  });

  it('shows names without letting them steer a terminal', async () => {
    const subjectDer = derElement(
      Tag.sequence,
      derElement(
        Tag.set,
        derElement(
          Tag.sequence,
          derObjectIdentifier('2.5.4.3'),
          derElement(Tag.utf8String, Buffer.from('a,b\u001b[31m\u202ec')),
        ),
      ),
    );
    expect(parseCertificate((await makeCa('', undefined, { subjectDer })).der).subject).toBe(
      'CN=a\\,b\\u001b[31m\\u202ec',
    );
  });

  it('refuses bytes before, behind and inside, and every truncation', () => {
    expect(code(leaf.der)).toBe('accepted');
    expect(code(Buffer.concat([leaf.der, Buffer.of(0)]))).toBe('certificate-malformed');
    expect(code(Buffer.concat([Buffer.of(0), leaf.der]))).toBe('certificate-malformed');
    for (let length = 0; length < leaf.der.length; length += 1) {
      expect(code(leaf.der.subarray(0, length))).toBe('certificate-malformed');
    }
  });

  it('throws nothing but coded errors, for any change of some bytes', () => {
    const change = fc.tuple(fc.nat(leaf.der.length - 1), fc.nat(255));
    fc.assert(
      fc.property(
        fc.constantFrom(root.der, leaf.der),
        fc.array(change, { minLength: 1, maxLength: 3 }),
        (der, changes) => {
          const changed = Uint8Array.from(der);
          for (const [at, byte] of changes) changed[at] = byte;
          const outcome = attempt(() => {
            const certificate = parseCertificate(changed);
            return [
              certificate.subject,
              certificate.issuer,
              certificate.subjectKey,
              certificate.constrainedNames,
              certificate.subjectAltNames,
            ];
          });
          expect('value' in outcome || outcome.error.code.startsWith('certificate-')).toBe(true);
        },
      ),
      { numRuns: 3000 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(code(bytes)).not.toBe('accepted');
      }),
    );
  });
});
