import { describe, expect, it } from 'vitest';
import { certificatesFromDer, pemFromCertificates } from '../../src/spiffe/index.ts';
import { createTestCa } from '../../testkit/test-ca.ts';
import { codeOf } from './attempt.ts';

describe('certificatesFromDer()', () => {
  it('splits concatenated certificates, and copies them (WLAPI-20)', async () => {
    const [a, b] = await Promise.all(
      ['a.example', 'b.example'].map((trustDomain) => createTestCa({ trustDomain })),
    );
    const all = [a, b].map((ca) => Uint8Array.from(ca?.root ?? []));
    const bytes = Buffer.concat(all);
    const read = certificatesFromDer(bytes);
    bytes.fill(0);
    expect(read).toEqual(all);
    expect(certificatesFromDer(new Uint8Array())).toEqual([]);
  });

  it('refuses truncated, trailing, endless and PEM input (WLAPI-20)', async () => {
    const { root } = await createTestCa({ trustDomain: 'a.example' });
    const bad = [
      root.subarray(0, -1),
      Buffer.concat([root, Buffer.from([0])]),
      Buffer.from('certificate'),
      Buffer.from('3000'.repeat(1001), 'hex'),
    ];
    for (const bytes of bad) expect(codeOf(() => certificatesFromDer(bytes))).toBe('certificate-malformed');
    expect(() => certificatesFromDer(Buffer.from(pemFromCertificates([root])))).toThrow(/PEM/);
  });
});
