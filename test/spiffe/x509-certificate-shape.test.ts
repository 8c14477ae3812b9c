import { beforeAll, describe, expect, it } from 'vitest';
import { CONSTRUCTED, CONTEXT, DerReader, Tag } from '../../src/spiffe/base/der.ts';
import { derElement, derInteger, derObjectIdentifier } from '../../src/spiffe/base/der-writer.ts';
import { parseCertificate } from '../../src/spiffe/index.ts';
import { codeOf } from './attempt.ts';
import { type Made, makeCa, makeLeaf, rebuild, rebuildExtensions, unknownExtension } from './chain-maker.ts';

const junk = derElement(Tag.null);
let root: Made;
let leaf: Made;
beforeAll(async () => {
  root = await makeCa('CN=Root');
  leaf = await makeLeaf(root);
});

const code = (der: Uint8Array) => codeOf(() => parseCertificate(der));
/** The leaf with its signed parts changed. */
const withParts = (edit: (parts: Uint8Array[]) => Uint8Array[]) => rebuild(leaf.der, root.privateKey, edit);
const withExtension = (oid: string, value: Uint8Array, ...more: Uint8Array[]) =>
  rebuildExtensions(leaf.der, root.privateKey, (extensions) => [
    ...extensions,
    derElement(Tag.sequence, derObjectIdentifier(oid), derElement(Tag.octetString, value), ...more),
  ]);

describe('parseCertificate() (RFC 5280 §4.1)', () => {
  it('refuses trailing bytes at every level', () => {
    expect(code(withParts((parts) => parts))).toBe('accepted');
    expect(code(withParts((parts) => [...parts, junk]))).toBe('certificate-malformed');
    const validity = withParts((parts) =>
      parts.map((part, index) =>
        index === 4 ? derElement(Tag.sequence, new DerReader(part).content(Tag.sequence), junk) : part,
      ),
    );
    expect(code(validity)).toBe('certificate-malformed');
    const whole = new DerReader(leaf.der).content(Tag.sequence);
    expect(code(derElement(Tag.sequence, whole))).toBe('accepted');
    expect(code(derElement(Tag.sequence, whole, junk))).toBe('certificate-malformed');
    const extensions = withParts((parts) =>
      parts.map((part, index) =>
        index === 7 ? derElement(CONTEXT | CONSTRUCTED | 3, new DerReader(part).content(0xa3), junk) : part,
      ),
    );
    expect(code(extensions)).toBe('certificate-malformed');
    expect(code(withExtension('1.2.3.4.5', junk))).toBe('accepted');
    expect(code(withExtension('1.2.3.4.5', junk, junk))).toBe('certificate-malformed');
  });

  it('ignores unique identifiers', () => {
    const [issuer, subject] = [1, 2].map((tag) => derElement(CONTEXT | tag, Uint8Array.of(0, 7)));
    const insert = (...unique: (Uint8Array | undefined)[]) =>
      withParts((parts) => [
        ...parts.slice(0, 7),
        ...unique.flatMap((part) => part ?? []),
        ...parts.slice(7),
      ]);
    for (const unique of [[issuer], [subject], [issuer, subject]])
      expect(code(insert(...unique))).toBe('accepted');
    expect(code(insert(subject, issuer))).toBe('certificate-malformed');
  });

  it('bounds extensions at 64 and purposes at 100, and reads every purpose', () => {
    const extensions = (count: number) =>
      rebuildExtensions(leaf.der, root.privateKey, (given) => {
        const added = Array.from({ length: count - given.length }, (_, number) => {
          const { oid, value } = unknownExtension(false, `1.2.3.4.${number + 6}`);
          return derElement(Tag.sequence, derObjectIdentifier(oid), derElement(Tag.octetString, value));
        });
        return [...given, ...added];
      });
    expect([code(extensions(64)), code(extensions(65))]).toEqual(['accepted', 'certificate-malformed']);
    const purposes = (count: number) =>
      withExtension(
        '2.5.29.37',
        derElement(
          Tag.sequence,
          ...Array.from({ length: count }, (_, number) => derObjectIdentifier(`1.2.3.${number}`)),
        ),
      );
    expect([code(purposes(100)), code(purposes(101))]).toEqual(['accepted', 'certificate-malformed']);
    expect(parseCertificate(purposes(2)).extendedKeyUsage).toEqual(new Set(['1.2.3.0', '1.2.3.1']));
  });

  it('reads an authority key identifier in all its forms', async () => {
    const plain = await makeLeaf(root, { withKeyIdentifiers: false });
    const read = (...parts: Uint8Array[]) =>
      rebuildExtensions(plain.der, root.privateKey, (extensions) => [
        ...extensions,
        derElement(
          Tag.sequence,
          derObjectIdentifier('2.5.29.35'),
          derElement(Tag.octetString, derElement(Tag.sequence, ...parts)),
        ),
      ]);
    const id = derElement(CONTEXT, Uint8Array.of(0xab, 0xcd));
    const issuer = derElement(
      CONTEXT | CONSTRUCTED | 1,
      derElement(CONTEXT | CONSTRUCTED | 4, derElement(Tag.sequence)),
    );
    const serial = derInteger(5, CONTEXT | 2);
    expect(parseCertificate(read(id, issuer, serial)).authorityKeyId).toBe('abcd');
    expect(parseCertificate(read(id)).authorityKeyId).toBe('abcd');
    expect(parseCertificate(read(issuer, serial)).authorityKeyId).toBeUndefined();
    expect(code(read(id, issuer, serial, junk))).toBe('certificate-malformed');
  });

  it('shows alternative names of the common kinds as text', async () => {
    const ipv6 = [0x20, 1, 0xd, 0xb8, ...Array.from({ length: 11 }, () => 0), 1];
    const sans = derElement(
      Tag.sequence,
      derElement(CONTEXT | 1, Buffer.from('a@td.example')),
      derElement(CONTEXT | 7, Uint8Array.of(10, 0, 0, 1)),
      derElement(CONTEXT | 7, Uint8Array.from(ipv6)),
      derElement(CONTEXT | 7, Uint8Array.of(1, 2)),
    );
    const { der } = await makeLeaf(root, {
      extensions: [{ oid: '2.5.29.17', critical: true, value: sans }],
    });
    expect(parseCertificate(der).subjectAltNames).toEqual({
      uris: [],
      dnsNames: [],
      emails: ['a@td.example'],
      ips: ['10.0.0.1', '2001:0db8:0000:0000:0000:0000:0000:0001', '#0102'],
    });
  });
});
