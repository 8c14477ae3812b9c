import { describe, expect, it } from 'vitest';
import {
  createNarrowedAnchor,
  isDnsNarrowedAnchor,
  isNarrowedAnchor,
  parseCertificate,
  parseTrustDomain,
  readingProblem,
  standsFor,
  verifyX509Path,
  x509AuthorityFromDer,
} from '../../src/spiffe/index.ts';
import { extendedKeyUsageExtension } from '../../src/spiffe/x509/issue-extensions.ts';
import { oddRoots } from '../../testkit/odd-roots.ts';
import { createTestCa, TEST_INSTANT } from '../../testkit/test-ca.ts';

const now = TEST_INSTANT;

describe('createNarrowedAnchor()', () => {
  it.each([
    'P-256',
    'RSA-2048',
    'Ed25519',
  ] as const)('keeps subject, key, key identifier and dates of a %s root, and nothing that speaks for another', async (keyKind) => {
    const west = await createTestCa({ trustDomain: 'west.example', keyKind });
    const real = parseCertificate(west.root);
    const anchor = parseCertificate(await createNarrowedAnchor(west.authority, west.trustDomain));
    expect(anchor.subjectDer).toEqual(real.subjectDer);
    expect(anchor.issuerDer).toEqual(real.subjectDer);
    expect(anchor.spkiDer).toEqual(real.spkiDer);
    expect(anchor.subjectKeyId).toBe(real.subjectKeyId);
    expect(anchor.authorityKeyId).toBeUndefined();
    expect([anchor.notBefore, anchor.notAfter]).toEqual([real.notBefore, real.notAfter]);
    expect(anchor.isCa).toBe(true);
    expect(anchor.extensions.nameConstraints?.critical).toBe(true);
    expect(isNarrowedAnchor(anchor, 'west.example')).toBe(true);
    expect(isNarrowedAnchor(anchor, 'other.example')).toBe(false);
    expect(isNarrowedAnchor(real, 'west.example')).toBe(false);
    expect(standsFor(anchor, real, 'west.example')).toBe(true);
  });

  it('stops a takeover of the local trust domain that the plain root allows in a merged pool (docs/narrowing.md)', async () => {
    const [local, west] = [
      await createTestCa({ trustDomain: 'istio.example' }),
      await createTestCa({ trustDomain: 'west.example' }),
    ];
    const narrowed = await createNarrowedAnchor(west.authority, west.trustDomain);
    const plainPool = [local.root, west.root];
    const narrowedPool = [local.root, narrowed];
    const verify = (leaf: { chain: readonly Uint8Array[] }, anchors: Uint8Array[]) => {
      const [first = new Uint8Array(), ...helpers] = leaf.chain;
      return verifyX509Path({ leaf: first, helpers, anchors, now });
    };
    const takeover = await west.issueLeaf({ uriSans: ['spiffe://istio.example/ns/shop/sa/web'] });
    expect(verify(takeover, plainPool).anchor).toEqual(west.root);
    expect(() => verify(takeover, narrowedPool)).toThrow(expect.objectContaining({ name: 'X509PathError' }));
    // Its own identities are still accepted, through intermediates and with the real root sent
    // along.
    const below = await west.issueIntermediate();
    const honest = await below.issueLeaf({ path: '/ns/shop/sa/web' });
    expect(verify(honest, narrowedPool).anchor).toEqual(narrowed);
    expect(verify({ chain: [...honest.chain, west.root] }, narrowedPool).anchor).toEqual(narrowed);
    for (const names of [
      { uriSans: ['spiffe://sub.west.example/a'] },
      { uriSans: ['spiffe://west.example/a', 'spiffe://istio.example/b'] },
      { dnsSans: ['web.istio.example'] },
      { uriSans: [], dnsSans: ['web.istio.example'] },
    ]) {
      const leaf = await west.issueLeaf(names);
      expect(() => verify(leaf, plainPool)).not.toThrow();
      expect(() => verify(leaf, narrowedPool)).toThrow(expect.objectContaining({ name: 'X509PathError' }));
    }
  });

  it('for DNS names speaks for names below the trust domain and for nothing else, and has its own mark', async () => {
    const [local, west] = [
      await createTestCa({ trustDomain: 'linkerd.example' }),
      await createTestCa({ trustDomain: 'west.example' }),
    ];
    const der = await createNarrowedAnchor(west.authority, west.trustDomain, 'dns');
    const [anchor, real] = [parseCertificate(der), parseCertificate(west.root)];
    expect([isDnsNarrowedAnchor(anchor), isNarrowedAnchor(anchor, 'west.example')]).toEqual([true, false]);
    expect(isDnsNarrowedAnchor(real)).toBe(false);
    expect(standsFor(anchor, real, 'west.example', 'dns')).toBe(true);
    expect(standsFor(anchor, real, 'west.example')).toBe(false);
    const verify = (leaf: { chain: readonly Uint8Array[] }, anchors: Uint8Array[]) => {
      const [first = new Uint8Array(), ...helpers] = leaf.chain;
      return verifyX509Path({ leaf: first, helpers, anchors, now });
    };
    const identity = (trustDomain: string) => `web.shop.serviceaccount.identity.linkerd.${trustDomain}`;
    const honest = await west.issueLeaf({ uriSans: [], dnsSans: [identity('west.example')] });
    expect(verify(honest, [local.root, der]).anchor).toEqual(der);
    for (const names of [
      { uriSans: [], dnsSans: [identity('linkerd.example')] },
      { uriSans: [], dnsSans: [identity('west.example'), identity('linkerd.example')] },
      { uriSans: ['spiffe://linkerd.example/a'], dnsSans: [] },
      { uriSans: ['spiffe://west.example/a'], dnsSans: [identity('west.example')] },
    ]) {
      const leaf = await west.issueLeaf(names);
      expect(() => verify(leaf, [local.root, west.root])).not.toThrow();
      expect(() => verify(leaf, [local.root, der])).toThrow(
        expect.objectContaining({ name: 'X509PathError' }),
      );
    }
  });

  it.each([
    ['any purpose', ['2.5.29.37.0'], ['2.5.29.37.0']],
    ['servers alone', ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.3'], ['1.3.6.1.5.5.7.3.1']],
    ['code signing alone', ['1.3.6.1.5.5.7.3.3'], ['1.3.6.1.5.5.7.3.3']],
  ])('allows what a root for %s allows, and never has an empty list of purposes', async (_, stated, kept) => {
    const overrides = { extensions: [extendedKeyUsageExtension(stated)] };
    const west = await createTestCa({ trustDomain: 'west.example', overrides });
    const anchor = parseCertificate(await createNarrowedAnchor(west.authority, west.trustDomain));
    expect([...(anchor.extendedKeyUsage ?? [])]).toEqual(kept);
  });

  it('is read by every program for every odd root that counts, and keeps its name and dates', async () => {
    for (const { name, der } of oddRoots().filter(({ counts }) => counts)) {
      if (name.startsWith('name constraints')) continue;
      const real = parseCertificate(der);
      const made = await createNarrowedAnchor(x509AuthorityFromDer(der), parseTrustDomain('odd.example'));
      const anchor = parseCertificate(made);
      const found = { name, stands: standsFor(anchor, real, 'odd.example'), problem: readingProblem(anchor) };
      expect(found).toEqual({ name, stands: true, problem: undefined });
    }
  });

  it.each([
    [
      'a root with name constraints, which it would lift',
      'west.example',
      { nameConstraints: { permittedDns: ['a.example'] } },
    ],
    ['a trust domain that looks like an address, which Go refuses as a constraint', '10.0.0.1', {}],
  ])('refuses %s', async (_, trustDomain, overrides) => {
    const west = await createTestCa({ trustDomain, overrides });
    await expect(createNarrowedAnchor(west.authority, west.trustDomain)).rejects.toThrow(
      expect.objectContaining({ code: 'authority-not-narrowable' }),
    );
  });
});
