import { beforeAll, describe, expect, it } from 'vitest';
import {
  BundleSet,
  bundleOf,
  parseLeafIdentity,
  parseTrustDomain,
  SpiffeIdError,
  verifyX509Svid,
  X509SvidError,
  type X509SvidOptions,
} from '../../src/spiffe/index.ts';
import { createTestCa, TEST_INSTANT, type TestCa, type TestLeafOptions } from '../../testkit/test-ca.ts';

const id = 'spiffe://a.example/w';
let ca: TestCa;
beforeAll(async () => {
  ca = await createTestCa({ trustDomain: 'a.example' });
});

const verify = (chain: readonly Uint8Array[], more: Partial<X509SvidOptions> = {}, bundle = ca.bundle()) =>
  verifyX509Svid(chain, new BundleSet([bundle]), { now: TEST_INSTANT, peerRole: 'client', ...more });

function refusalOf(run: () => unknown): X509SvidError {
  try {
    run();
  } catch (error) {
    if (error instanceof X509SvidError) return error;
    throw error;
  }
  throw new Error('the chain was accepted');
}

describe('X509SvidError', () => {
  it('claims no ID and no trust domain before one could be read', async () => {
    const { chain } = await ca.issueLeaf({ uriSans: [id, id] });
    for (const broken of [[], [Uint8Array.of(0x30, 0)], chain]) {
      const { claimedId, trustDomain } = refusalOf(() => verify(broken));
      expect([claimedId, trustDomain]).toEqual([undefined, undefined]);
    }
  });

  it.each<[string, TestLeafOptions, Partial<X509SvidOptions>]>([
    ['leaf-is-ca', { uriSans: [id], isCa: true }, {}],
    ['key-usage', { uriSans: [id], keyUsage: ['digitalSignature', 'cRLSign'] }, {}],
    ['key-usage', { uriSans: [id], keyUsage: [] }, { strictKeyUsage: true }],
    ['san-not-critical', { uriSans: [id], subject: '', sanCritical: false }, {}],
    ['extended-key-usage', { uriSans: [id], extendedKeyUsage: ['serverAuth'] }, {}],
    ['path-refused', { uriSans: [id] }, { now: new Date('2040-01-01T00:00:00Z') }],
  ])('names the ID that was claimed: %s', async (code, leaf, options) => {
    expect(verify((await ca.issueLeaf({ uriSans: [id] })).chain).id).toBe(id);
    const { chain } = await ca.issueLeaf(leaf);
    expect(refusalOf(() => verify(chain, options))).toMatchObject({
      code,
      claimedId: id,
      trustDomain: 'a.example',
      message: expect.stringContaining(id),
    });
  });

  it('distinguishes a bundle without X.509 authorities from a missing bundle (TDB-04, TDB-31, X509-23)', async () => {
    const { chain } = await ca.issueLeaf({ uriSans: [id] });
    const empty = bundleOf(parseTrustDomain('a.example'), []);
    expect(refusalOf(() => verify(chain, {}, empty))).toMatchObject({ code: 'no-authority', claimedId: id });
    const other = bundleOf(parseTrustDomain('b.example'), [ca.authority]);
    expect(refusalOf(() => verify(chain, {}, other))).toMatchObject({ code: 'no-bundle', claimedId: id });
  });

  it('keeps its cause', async () => {
    expect(refusalOf(() => verify([Uint8Array.of(0x30, 0)])).cause).toMatchObject({
      code: 'certificate-malformed',
    });
    const { chain } = await ca.issueLeaf({ uriSans: ['https://a.example/w'] });
    expect(refusalOf(() => verify(chain)).cause).toBeInstanceOf(SpiffeIdError);
  });
});

describe('verifyX509Svid()', () => {
  it('reports which of several authorities proved the peer', async () => {
    const second = await createTestCa({ trustDomain: 'a.example' });
    const bundle = bundleOf(parseTrustDomain('a.example'), [ca.authority, second.authority]);
    for (const { authority, issueLeaf } of [ca, second].map((each) => ({
      authority: each.authority,
      issueLeaf: () => each.issueLeaf({ uriSans: [id] }),
    }))) {
      const { chain } = await issueLeaf();
      expect(verify(chain, {}, bundle).anchorFingerprint).toBe(authority.fingerprint);
    }
  });

  it('respects the given limits and leeway (X509-27, X509-37)', async () => {
    const { chain } = await (await ca.issueIntermediate()).issueLeaf({
      uriSans: [id],
      notAfter: new Date('2030-01-01T11:59:50Z'),
    });
    expect(verify(chain, { leewaySeconds: 10 }).id).toBe(id);
    expect(refusalOf(() => verify(chain)).cause).toMatchObject({ code: 'expired' });
    const limits = { maxCertificates: 1 };
    expect(refusalOf(() => verify(chain, { leewaySeconds: 10, limits })).cause).toMatchObject({
      code: 'too-many-certificates',
    });
  });
});

describe('parseLeafIdentity()', () => {
  it('does not require a role', async () => {
    for (const purposes of [['clientAuth'], ['serverAuth']] as const) {
      const { chain } = await ca.issueLeaf({ uriSans: [id], extendedKeyUsage: purposes });
      expect(parseLeafIdentity(chain[0] ?? ca.root)).toBe(id);
    }
    expect(refusalOf(() => parseLeafIdentity(ca.root)).code).toBe('leaf-is-ca');
  });
});
