import { createPublicKey } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { CONSTRUCTED, CONTEXT, Tag } from '../../src/spiffe/base/der.ts';
import { derElement, derObjectIdentifier } from '../../src/spiffe/base/der-writer.ts';
import {
  BundleSet,
  bundleOf,
  type BundleSource,
  contentDigest,
  generateKeyPair,
  issueCertificate,
  type KeyUsageName,
  parseCertificate,
  parseLeafIdentity,
  parseTrustDomain,
  verifyX509Svid,
  X509PathError,
  X509SvidError,
  type X509SvidOptions,
  x509AuthorityFromDer,
} from '../../src/spiffe/index.ts';
import { createTestCa, TEST_INSTANT, type TestCa, type TestLeafOptions } from '../../testkit/test-ca.ts';
import { attempt, codeOf } from './attempt.ts';
import { rebuildExtensions } from './chain-maker.ts';

let a: TestCa;
let b: TestCa;
let both: BundleSet;
beforeAll(async () => {
  a = await createTestCa({ trustDomain: 'a.example' });
  b = await createTestCa({ trustDomain: 'b.example' });
  both = new BundleSet([a.bundle(1n), b.bundle(1n)]);
});

const options = { now: TEST_INSTANT, peerRole: 'client' } as const;
const code = (
  chain: readonly Uint8Array[],
  source: BundleSource = both,
  more: Partial<X509SvidOptions> = {},
) => {
  const outcome = attempt(() => verifyX509Svid(chain, source, { ...options, ...more }));
  if ('value' in outcome) return 'accepted';
  const { code: word, cause } = outcome.error;
  return cause instanceof X509PathError ? `${word}: ${cause.code}` : word;
};
const codeOfLeaf = async (leaf: TestLeafOptions, more: Partial<X509SvidOptions> = {}) =>
  code((await a.issueLeaf(leaf)).chain, both, more);
const san = (...names: Uint8Array[]) => ({
  oid: '2.5.29.17',
  critical: true,
  value: derElement(Tag.sequence, ...names),
});
const uri = (bytes: Uint8Array | string) => derElement(CONTEXT | 6, Buffer.from(bytes));

describe('verifyX509Svid() on the leaf', () => {
  it('returns what was proven, by which root of which bundle, and until when (X509-01, X509-20)', async () => {
    const leaf = await (await a.issueIntermediate()).issueLeaf({ path: '/ns/x/sa/y' });
    const svid = verifyX509Svid(leaf.chain, both, options);
    expect(svid).toEqual({
      id: 'spiffe://a.example/ns/x/sa/y',
      trustDomain: 'a.example',
      leaf: leaf.chain[0],
      fingerprint: parseCertificate(svid.leaf).fingerprint,
      anchorFingerprint: a.authority.fingerprint,
      bundleDigest: contentDigest(a.bundle()),
      notAfter: new Date('2030-01-02T11:00:00Z'),
      warnings: [],
    });
    expect(parseLeafIdentity(svid.leaf)).toBe(svid.id);
  });

  it('judges the first certificate, even with a genuine one behind it (X509-39)', async () => {
    const [genuine = new Uint8Array()] = (await a.issueLeaf({ path: '/king' })).chain;
    const [beggar = new Uint8Array()] = (await a.issueLeaf({ path: '/beggar' })).chain;
    const [forged = new Uint8Array()] = (await b.issueLeaf({ uriSans: ['spiffe://a.example/king'] })).chain;
    expect(verifyX509Svid([genuine], both, options).id).toBe('spiffe://a.example/king');
    expect(verifyX509Svid([beggar, genuine], both, options).id).toBe('spiffe://a.example/beggar');
    expect(code([forged, genuine])).toMatch(/^path-refused/);
  });

  it('requires exactly one URI, and refuses every second one (X509-01, X509-02)', async () => {
    const id = 'spiffe://a.example/w';
    expect(await codeOfLeaf({ uriSans: [id] })).toBe('accepted');
    for (const uriSans of [
      [],
      [id, 'spiffe://a.example/x'],
      [id, 'https://a.example/'],
      [id, id],
      [id, 'x'],
    ]) {
      expect(await codeOfLeaf({ uriSans, dnsSans: ['a.example'] })).toBe('uri-san-count');
    }
    expect(await codeOfLeaf({ uriSans: [], subject: 'CN=x' })).toBe('uri-san-count');
  });

  it('ignores other names, which identify no one (X509-03)', async () => {
    const names = [
      derElement(CONTEXT | 2, Buffer.from('b.example')),
      derElement(CONTEXT | 1, Buffer.from('a@b.example')),
      derElement(CONTEXT | 7, Uint8Array.of(127, 0, 0, 1)),
      derElement(
        CONTEXT | CONSTRUCTED | 0,
        derObjectIdentifier('1.2.3'),
        derElement(CONTEXT | CONSTRUCTED | 0, derElement(Tag.null)),
      ),
      uri('spiffe://a.example/w'),
    ];
    const { chain } = await a.issueLeaf({ extensions: [san(...names)], subject: 'CN=spiffe://b.example/w' });
    expect(verifyX509Svid(chain, both, options).id).toBe('spiffe://a.example/w');
  });

  it.each([
    'https://a.example/w',
    'SPIFFE://a.example/w',
    'spiffe://A.example/w',
    'spiffe://a.example/w/',
    'spiffe://a.example/a/../w',
    'spiffe://a.example/w?x',
    'spiffe://a.example:443/w',
    'spiffe://a.example/%77',
    'spiffe://a.example/w, URI:spiffe://b.example/x',
    ' spiffe://a.example/w',
    'spiffe://a.example/w\n',
    '',
  ])('refuses %j as an ID (X509-04, X509-05, ID-16, ID-17)', async (value) => {
    expect(await codeOfLeaf({ extensions: [san(uri('spiffe://a.example/w'))] })).toBe('accepted');
    expect(await codeOfLeaf({ extensions: [san(uri(value))] })).toBe('id-invalid');
  });

  it('refuses NUL and bytes above 0x7f, also in other names (X509-05)', async () => {
    const good = uri('spiffe://a.example/w');
    expect(await codeOfLeaf({ extensions: [san(uri('spiffe://a.example/w\0.evil'))] })).toBe('san-malformed');
    expect(
      await codeOfLeaf({ extensions: [san(uri(Buffer.from('spiffe://a.example/\u00e9', 'latin1')))] }),
    ).toBe('san-malformed');
    expect(await codeOfLeaf({ extensions: [san(good, derElement(CONTEXT | 2, Buffer.from('a\0b')))] })).toBe(
      'san-malformed',
    );
    expect(await codeOfLeaf({ extensions: [san(good, derElement(CONTEXT | 1, Buffer.of(0x80)))] })).toBe(
      'san-malformed',
    );
  });

  it('keeps an ID of 2048 bytes and refuses 2049 (ID-09, ID-11)', async () => {
    const longest = `spiffe://a.example/${'x'.repeat(2048 - 'spiffe://a.example/'.length)}`;
    const { chain } = await a.issueLeaf({ uriSans: [longest] });
    expect(verifyX509Svid(chain, both, options).id).toBe(longest);
    expect(await codeOfLeaf({ uriSans: [`${longest}x`] })).toBe('id-invalid');
  });

  it.each([
    'client',
    'server',
  ] as const)('refuses an ID without a path, of a %s (X509-06)', async (peerRole) => {
    expect(await codeOfLeaf({ uriSans: ['spiffe://a.example/w'] }, { peerRole })).toBe('accepted');
    expect(await codeOfLeaf({ uriSans: ['spiffe://a.example'] }, { peerRole })).toBe('id-without-path');
  });

  it('refuses a CA, and treats missing and empty basicConstraints as not a CA (X509-07)', async () => {
    expect(await codeOfLeaf({ isCa: true })).toBe('leaf-is-ca');
    expect(await codeOfLeaf({ isCa: false })).toBe('accepted');
    const [der = a.root] = (await a.issueLeaf()).chain;
    expect(parseCertificate(der).extensions.basicConstraints).toMatchObject({ isCa: false });
    const without = await a.issueLeaf({
      extensions: [{ oid: '2.5.29.19', critical: false, value: Uint8Array.of(0x30, 0) }],
    });
    expect(code(without.chain)).toBe('accepted');
    const missing = rebuildExtensions(der, a.key, (extensions) => extensions.slice(1));
    expect(parseCertificate(missing).extensions.basicConstraints).toBeUndefined();
    expect(code([missing])).toBe('accepted');
  });

  it('refuses keyCertSign and cRLSign with cA false (X509-08, X509-09)', async () => {
    expect(await codeOfLeaf({ keyUsage: ['digitalSignature', 'keyEncipherment', 'keyAgreement'] })).toBe(
      'accepted',
    );
    expect(await codeOfLeaf({ keyUsage: ['digitalSignature', 'keyCertSign'] })).toBe('key-usage');
    expect(await codeOfLeaf({ keyUsage: ['digitalSignature', 'cRLSign'] })).toBe('key-usage');
  });

  it('refuses key usage without digitalSignature; missing or not critical is a warning, or a refusal if strict (X509-10, X509-11)', async () => {
    const loose = {
      extensions: [
        { oid: '2.5.29.15', critical: false, value: derElement(Tag.bitString, Uint8Array.of(7, 0x80)) },
      ],
    };
    const warnings = async (leaf: TestLeafOptions) =>
      verifyX509Svid((await a.issueLeaf(leaf)).chain, both, options).warnings;
    expect(await warnings({})).toEqual([]);
    expect(await warnings({ keyUsage: [] })).toEqual(['key-usage-missing']);
    expect(await warnings(loose)).toEqual(['key-usage-not-critical']);
    const strict = { strictKeyUsage: true };
    expect(await codeOfLeaf({}, strict)).toBe('accepted');
    expect(await codeOfLeaf({ keyUsage: [] }, strict)).toBe('key-usage');
    expect(await codeOfLeaf(loose, strict)).toBe('key-usage');
    const without: KeyUsageName[] = ['keyEncipherment'];
    expect([
      await codeOfLeaf({ keyUsage: without }),
      await codeOfLeaf({ keyUsage: without }, strict),
    ]).toEqual(['key-usage', 'key-usage']);
  });

  it('requires the purpose of the role that the peer plays, if any is stated (X509-12, X509-13)', async () => {
    const roles = async (leaf: TestLeafOptions) => [
      await codeOfLeaf(leaf),
      await codeOfLeaf(leaf, { peerRole: 'server' }),
    ];
    expect(await roles({})).toEqual(['accepted', 'accepted']);
    expect(await roles({ extendedKeyUsage: ['clientAuth'] })).toEqual(['accepted', 'extended-key-usage']);
    expect(await roles({ extendedKeyUsage: ['serverAuth'] })).toEqual(['extended-key-usage', 'accepted']);
    const eku = (...oids: string[]) => ({
      extensions: [
        {
          oid: '2.5.29.37',
          critical: false,
          value: derElement(Tag.sequence, ...oids.map(derObjectIdentifier)),
        },
      ],
    });
    expect(await roles(eku('2.5.29.37.0'))).toEqual(['accepted', 'accepted']);
    expect(await roles(eku('1.3.6.1.5.5.7.3.3'))).toEqual(['extended-key-usage', 'extended-key-usage']);
  });

  it('accepts a leaf without purposes (X509-13)', async () => {
    const { publicKey } = await generateKeyPair('P-256');
    const der = await issueCertificate({
      subject: '',
      publicKey,
      issuer: { certificate: a.root, key: a.key },
      notBefore: TEST_INSTANT,
      notAfter: TEST_INSTANT,
      isCa: false,
      keyUsage: ['digitalSignature'],
      uriSans: ['spiffe://a.example/w'],
    });
    expect(code([der])).toBe('accepted');
    expect(code([der], both, { peerRole: 'server' })).toBe('accepted');
  });

  it('requires critical names when the subject is empty (X509-14)', async () => {
    expect(await codeOfLeaf({ subject: '', sanCritical: true })).toBe('accepted');
    expect(await codeOfLeaf({ subject: '', sanCritical: false })).toBe('san-not-critical');
    expect(await codeOfLeaf({ subject: 'CN=x', sanCritical: false })).toBe('accepted');
  });

  it('never accepts a signing certificate as a peer (X509-19)', async () => {
    const intermediate = await a.issueIntermediate({ uriSans: ['spiffe://a.example/ca'] });
    expect(code((await intermediate.issueLeaf()).chain)).toBe('accepted');
    expect(code(intermediate.intermediates)).toBe('leaf-is-ca');
    expect(code([a.root])).toBe('leaf-is-ca');
  });

  it('refuses no certificate and an unreadable one', () => {
    expect(code([])).toBe('no-certificate');
    expect(code([Uint8Array.of(0x30, 0)])).toBe('leaf-malformed');
  });
});

describe('verifyX509Svid() on the anchors', () => {
  it('proves each by the bundle of its own trust domain (X509-20, TDB-40)', async () => {
    expect(code((await a.issueLeaf()).chain)).toBe('accepted');
    expect(code((await b.issueLeaf()).chain)).toBe('accepted');
  });

  it('refuses an ID of one trust domain under the root of another, in both directions (X509-21, ID-18)', async () => {
    expect(code((await a.issueLeaf({ uriSans: ['spiffe://b.example/w'] })).chain)).toBe(
      'path-refused: issuer-not-found',
    );
    expect(code((await b.issueLeaf({ uriSans: ['spiffe://a.example/w'] })).chain)).toBe(
      'path-refused: issuer-not-found',
    );
  });

  it('does so also when both roots have one name (X509-21)', async () => {
    const [one, two] = [
      await createTestCa({ trustDomain: 'one.example', subject: 'O=Same' }),
      await createTestCa({ trustDomain: 'two.example', subject: 'O=Same' }),
    ];
    const source = new BundleSet([one.bundle(), two.bundle()]);
    expect(code((await one.issueLeaf()).chain, source)).toBe('accepted');
    expect(code((await one.issueLeaf({ uriSans: ['spiffe://two.example/w'] })).chain, source)).toBe(
      'path-refused: signature-invalid',
    );
    expect(code((await two.issueLeaf({ uriSans: ['spiffe://one.example/w'] })).chain, source)).toBe(
      'path-refused: signature-invalid',
    );
  });

  it('counts only an anchor of the leaf’s own trust domain behind cross-signed CAs (X509-22)', async () => {
    const bMiddle = await b.issueIntermediate({ subject: 'CN=B middle' });
    const crossed = await issueCertificate({
      subject: 'CN=B middle',
      publicKey: createPublicKey(bMiddle.key),
      issuer: { certificate: a.root, key: a.key },
      notBefore: new Date('2030-01-01T00:00:00Z'),
      notAfter: new Date('2031-01-01T00:00:00Z'),
      isCa: true,
      keyUsage: ['keyCertSign'],
    });
    const [own = a.root] = (await bMiddle.issueLeaf()).chain;
    const [foreign = a.root] = (await bMiddle.issueLeaf({ uriSans: ['spiffe://a.example/w'] })).chain;
    // B's leaf: only the path to B's root counts, although the other one leads to a root that is
    // trusted for A.
    expect(code([own, bMiddle.root])).toBe('accepted');
    expect(code([own, crossed])).toBe('path-refused: issuer-not-found');
    // A's ID from B's CA is accepted only because A's root really signed that CA (X509-18).
    expect(code([foreign, crossed])).toBe('accepted');
    expect(code([foreign, bMiddle.root])).toBe('path-refused: issuer-not-found');
  });

  it('is not misled by an expired look-alike of the root in the chain (X509-21, X509-25)', async () => {
    const lookAlike = await createTestCa({
      trustDomain: 'b.example',
      notBefore: new Date('2019-01-01T00:00:00Z'),
      notAfter: new Date('2020-01-01T00:00:00Z'),
    });
    const middle = await a.issueIntermediate({ subject: 'O=b.example,CN=Root' });
    const [forged = a.root] = (await middle.issueLeaf({ uriSans: ['spiffe://b.example/w'] })).chain;
    expect(code([forged, middle.root, a.root], new BundleSet([a.bundle()]))).toBe('no-bundle');
    expect(code([forged, lookAlike.root, middle.root, a.root])).toBe('path-refused: issuer-not-found');
  });

  it('refuses a trust domain without a bundle, under any root, and names it (X509-23)', async () => {
    const { chain } = await a.issueLeaf({ uriSans: ['spiffe://c.example/w'] });
    const outcome = attempt(() => verifyX509Svid(chain, both, options));
    const error = 'error' in outcome ? outcome.error : undefined;
    expect(error).toBeInstanceOf(X509SvidError);
    expect(error).toMatchObject({
      code: 'no-bundle',
      trustDomain: 'c.example',
      claimedId: 'spiffe://c.example/w',
    });
    expect(error?.message).toContain('c.example');
  });

  it('uses an intermediate of the bundle as an anchor, even though its issuer is absent (X509-24, ID-20)', async () => {
    const middle = await a.issueIntermediate();
    const { chain } = await middle.issueLeaf();
    const source = new BundleSet([bundleOf(a.trustDomain, [x509AuthorityFromDer(middle.root)])]);
    expect(code(chain, source)).toBe('accepted');
    expect(code(chain.slice(0, 1), source)).toBe('accepted');
  });

  it('uses no root from the peer (X509-25)', async () => {
    const stranger = await createTestCa({ trustDomain: 'a.example' });
    const { chain } = await stranger.issueLeaf();
    expect(code([...chain, stranger.root], new BundleSet([stranger.bundle()]))).toBe('accepted');
    expect(code([...chain, stranger.root])).toBe('path-refused: signature-invalid');
  });

  it.each([
    ['without a name of its own, as Istio makes them', { spiffeIdInCa: false }],
    ['with the ID of the trust domain', {}],
    ['with a slash at the end of its ID', { overrides: { uriSans: ['spiffe://a.example/'] } }],
    [
      'with an ID of another trust domain and several names',
      { overrides: { uriSans: ['spiffe://other.example/x', 'https://x/'] } },
    ],
    [
      'with extra key usages, as Consul makes them',
      { overrides: { keyUsage: ['digitalSignature', 'keyCertSign', 'cRLSign'] as KeyUsageName[] } },
    ],
  ])('works with a root %s (X509-16, X509-17, ID-19)', async (_name, more) => {
    const ca = await createTestCa({ trustDomain: 'a.example', ...more });
    expect(code((await ca.issueLeaf()).chain, new BundleSet([ca.bundle()]))).toBe('accepted');
  });

  it('keeps trust domains that share a root apart by name (TDB-42)', async () => {
    const shared = new BundleSet([a.bundle(), bundleOf(parseTrustDomain('b.example'), [a.authority])]);
    const { chain } = await a.issueLeaf();
    expect(verifyX509Svid(chain, shared, options)).toMatchObject({
      trustDomain: 'a.example',
      id: 'spiffe://a.example/workload',
    });
    expect(code(chain, new BundleSet([bundleOf(parseTrustDomain('b.example'), [a.authority])]))).toBe(
      'no-bundle',
    );
  });

  it('refuses a source that answers with another bundle (TDB-39)', async () => {
    const { chain } = await a.issueLeaf();
    const lying: BundleSource = { bundleFor: () => b.bundle() };
    expect(() => verifyX509Svid(chain, lying, options)).toThrow(TypeError);
  });

  it('reports the refusal of the path with its certificate (X509-26, X509-28)', async () => {
    const { chain } = await a.issueLeaf();
    const outcome = attempt(() =>
      verifyX509Svid(chain, both, { ...options, now: new Date('2031-01-01T00:00:00Z') }),
    );
    expect(codeOf(() => verifyX509Svid(chain, both, options))).toBe('accepted');
    expect('error' in outcome ? outcome.error : undefined).toMatchObject({
      code: 'path-refused',
      claimedId: 'spiffe://a.example/workload',
      cause: { code: 'expired', certificate: { role: 'leaf', index: 0 } },
    });
  });
});
