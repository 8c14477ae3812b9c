import { describe, expect, it } from 'vitest';
import { refuseAdmission } from '../../src/mesh-adapters/contract/admission.ts';
import { chooseForeignTrust } from '../../src/mesh-adapters/contract/choose-foreign-trust.ts';
import { bundleOf, parseTrustDomain, type X509Authority } from '../../src/spiffe/index.ts';
import { createTestCa, TEST_INSTANT } from '../../testkit/test-ca.ts';

const rules = {
  own: { trustDomain: parseTrustDomain('own.example'), roots: [] },
  scope: 'per-trust-domain',
  taken: new Set<string>(),
  present: [],
  now: TEST_INSTANT,
  render: (_admission: unknown, roots: readonly X509Authority[]) => roots,
  bytesOf: () => 1,
} as const;
const [east, west] = [parseTrustDomain('east.example'), parseTrustDomain('west.example')];
const cas = await Promise.all(Array.from({ length: 2 }, () => createTestCa({ trustDomain: 'east.example' })));
const [old, next] = cas.map(({ authority }) => authority) as [X509Authority, X509Authority];
const keyOf = (trustDomain: string, { keyFingerprint }: X509Authority) => ({ trustDomain, keyFingerprint });

describe('chooseForeignTrust()', () => {
  it('renders the admitted roots, with the limits of one object for each peer', async () => {
    const wanted = [bundleOf(east, [old, next])];
    expect(await chooseForeignTrust(wanted, rules)).toMatchObject([{ rendered: [old, next] }]);
    const [placed] = await chooseForeignTrust(wanted, { ...rules, bytesOf: () => 256 * 1024 + 1 });
    expect(placed).toMatchObject({
      admission: { refusal: { code: 'bundle-too-large' } },
      rendered: undefined,
    });
  });

  it('leaves of a refused bundle the roots that are in the mesh and still listed', async () => {
    const judge = (admission: Parameters<typeof refuseAdmission>[0]) =>
      refuseAdmission(admission, 'root-not-narrowable', 'a rule of this mesh');
    const present = [keyOf(east, old)];
    const of = (...roots: X509Authority[]) =>
      chooseForeignTrust([bundleOf(east, roots)], { ...rules, judge, present });
    expect(await of(old, next)).toMatchObject([
      { admission: { refusal: { code: 'root-not-narrowable' } }, rendered: [old] },
    ]);
    expect(await of(next)).toMatchObject([{ rendered: undefined }]);
  });

  it('gives a key to the trust domain that has it in the mesh, until its bundle no longer lists it', async () => {
    const present = [keyOf(east, old)];
    const codes = async (...ofEast: X509Authority[]) => {
      const wanted = [bundleOf(west, [old]), bundleOf(east, ofEast)];
      const placed = await chooseForeignTrust(wanted, { ...rules, present });
      return placed.map(({ admission }) => admission.refusal?.code);
    };
    expect(await codes(old, next)).toEqual(['root-of-another-peer', undefined]);
    expect(await codes(next)).toEqual([undefined, undefined]);
  });
});
