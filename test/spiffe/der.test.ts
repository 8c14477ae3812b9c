import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DerReader, Tag } from '../../src/spiffe/base/der.ts';
import { derElement, derInteger, derObjectIdentifier } from '../../src/spiffe/base/der-writer.ts';
import { attempt, codeOf } from './attempt.ts';

const read = (hex: string) => new DerReader(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

describe('DerReader', () => {
  it.each([
    ['04 00', 'accepted'],
    ['04 7f 00', 'der-malformed'],
    ['04 80 00 00', 'der-malformed'],
    ['04 81 01 00', 'der-malformed'],
    ['04 82 00 80', 'der-malformed'],
    ['04 85 00 00 00 00 01 00', 'der-malformed'],
    ['04 84 ff ff ff ff', 'der-malformed'],
    ['04', 'der-malformed'],
    ['', 'der-malformed'],
    ['1f 01 00', 'der-malformed'],
    ['04 01 00 00', 'der-malformed'],
    ['05 00', 'der-malformed'],
  ])('reads an octet string from %s: %s', (hex, expected) => {
    expect(
      codeOf(() => {
        const reader = read(hex);
        reader.content(Tag.octetString);
        reader.end();
      }),
    ).toBe(expected);
  });

  it('reads long lengths that are minimal', () => {
    for (const length of [127, 128, 255, 256, 65_535, 65_536]) {
      const der = derElement(Tag.octetString, Buffer.alloc(length));
      expect(new DerReader(der).content(Tag.octetString)).toHaveLength(length);
    }
  });

  it('does not read beyond the element around it', () => {
    // The inner length extends past the outer element.
    expect(
      codeOf(() => read('30 03 04 04 00 00 00 00 00').enter(Tag.sequence).content(Tag.octetString)),
    ).toBe('der-malformed');
    expect(
      codeOf(() => read('30 01 04 04 00 00 00 00 00').enter(Tag.sequence).content(Tag.octetString)),
    ).toBe('der-malformed');
  });

  it.each([
    ['06 03 55 04 03', '2.5.4.3'],
    ['06 01 2a', '1.2'],
    ['06 01 00', '0.0'],
    ['06 01 27', '0.39'],
    ['06 01 4f', '1.39'],
    ['06 01 50', '2.0'],
    ['06 02 88 37', '2.999'],
    [`06 13 69 83 ${'ff '.repeat(17)} 7f`, '2.25.340282366920938463463374607431768211455'],
  ])('reads object identifier %s as %s', (hex, expected) => {
    const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex');
    bytes[1] = bytes.length - 2;
    expect(new DerReader(bytes).objectIdentifier()).toBe(expected);
  });

  it.each([
    '06 00',
    '06 01 80',
    '06 02 80 01',
    '06 03 55 80 01',
    '06 02 55 84',
  ])('refuses object identifier %s', (hex) => {
    expect(codeOf(() => read(hex).objectIdentifier())).toBe('der-malformed');
  });

  it('reads what derObjectIdentifier() writes', () => {
    const oids = fc.tuple(fc.nat(1), fc.nat(39), fc.array(fc.nat(2 ** 31 - 1), { maxLength: 8 }));
    fc.assert(
      fc.property(oids, ([root, second, rest]) => {
        const dotted = [root, second, ...rest].join('.');
        expect(new DerReader(derObjectIdentifier(dotted)).objectIdentifier()).toBe(dotted);
      }),
    );
  });

  it('reads what derInteger() writes, and refuses larger values', () => {
    fc.assert(
      fc.property(fc.nat(), (value) => {
        expect(new DerReader(derInteger(value)).smallInteger(value)).toBe(value);
      }),
    );
    expect(codeOf(() => new DerReader(derInteger(8)).smallInteger(7))).toBe('der-malformed');
    for (const hex of ['02 00', '02 02 00 7f', '02 02 ff 80', '02 01 ff'])
      expect(codeOf(() => read(hex).smallInteger(255))).toBe('der-malformed');
  });

  it('throws nothing but its own error, for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        for (const step of [
          'boolean',
          'integer',
          'objectIdentifier',
          'wholeBytes',
          'namedBits',
          'time',
          'element',
        ] as const) {
          const outcome = attempt(() => new DerReader(bytes)[step]());
          expect('value' in outcome || outcome.error.code).toBeTruthy();
        }
      }),
      { numRuns: 1000 },
    );
  });
});

it('derInteger() writes what a certificate can hold', () => {
  expect(Buffer.from(derInteger(128)).toString('hex')).toBe('02020080');
});
