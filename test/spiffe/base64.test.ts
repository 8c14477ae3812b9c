import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeBase64, decodeBase64url } from '../../src/spiffe/base/base64.ts';

describe('decodeBase64() and decodeBase64url() (TDB-21, TDB-26)', () => {
  it('decode what Node writes, and read no other spelling of the same bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const buffer = Buffer.from(bytes);
        expect(decodeBase64(buffer.toString('base64'))).toEqual(bytes);
        expect(decodeBase64url(buffer.toString('base64url'))).toEqual(bytes);
      }),
    );
    expect(decodeBase64('AA==')).toEqual(Uint8Array.of(0));
    for (const text of ['AA', 'AA=', 'AB==', 'A===', '====', 'AA==\n', ' AA=', 'A A=', '-_==', 'AA==AA==']) {
      expect(decodeBase64(text)).toBeUndefined();
    }
    expect(decodeBase64url('AA')).toEqual(Uint8Array.of(0));
    for (const text of ['AB', 'AA==', 'A', '+/', 'AA\n']) expect(decodeBase64url(text)).toBeUndefined();
  });
});
