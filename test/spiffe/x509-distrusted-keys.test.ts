import { beforeAll, describe, expect, it } from 'vitest';
import {
  bundleOf,
  type BundleSource,
  parseTrustDomain,
  verifyX509Path,
  verifyX509Svid,
  x509AuthorityFromDer,
} from '../../src/spiffe/index.ts';
import { TEST_INSTANT } from '../../testkit/test-ca.ts';
import { type Made, makeCa, makeLeaf } from './chain-maker.ts';

const trustDomain = parseTrustDomain('td.example');
const now = TEST_INSTANT;
let stolen: Made;
let good: Made;
/** The stolen key in a CA certificate that the good root signed. */
let crossSigned: Made;
let leaf: Made;
let keys: ReadonlySet<string>;

beforeAll(async () => {
  stolen = await makeCa('CN=Stolen');
  good = await makeCa('CN=Good');
  crossSigned = await makeCa('CN=Stolen', good, { keys: stolen });
  leaf = await makeLeaf(stolen);
  keys = new Set([x509AuthorityFromDer(stolen.der).keyFingerprint]);
});

const pathOf = (helpers: readonly Made[], anchors: readonly Made[], distrustedKeys?: ReadonlySet<string>) =>
  verifyX509Path({
    leaf: leaf.der,
    helpers: helpers.map(({ der }) => der),
    anchors: anchors.map(({ der }) => x509AuthorityFromDer(der)),
    now,
    ...(distrustedKeys ? { distrustedKeys } : {}),
  });
const noPath = expect.objectContaining({ name: 'X509PathError' });

describe('verifyX509Path() with distrusted keys', () => {
  it('skips an anchor with such a key', () => {
    expect(pathOf([], [stolen]).anchor).toEqual(stolen.der);
    expect(() => pathOf([], [stolen], keys)).toThrow(noPath);
  });

  it('skips a certificate with such a key that another authority signed', () => {
    expect(pathOf([crossSigned], [good]).anchor).toEqual(good.der);
    expect(() => pathOf([crossSigned], [good], keys)).toThrow(noPath);
  });

  it('still finds another path where there is one', async () => {
    const newer = await makeLeaf(good);
    expect(
      verifyX509Path({
        leaf: newer.der,
        helpers: [crossSigned.der],
        anchors: [x509AuthorityFromDer(good.der)],
        now,
        distrustedKeys: keys,
      }).anchor,
    ).toEqual(good.der);
  });
});

describe('verifyX509Svid() with a source that distrusts keys', () => {
  it('asks the source for the trust domain of the ID, and accepts no path through its distrusted keys', () => {
    const bundle = bundleOf(trustDomain, [x509AuthorityFromDer(good.der)]);
    const asked: string[] = [];
    const source = (distrusted?: ReadonlySet<string>): BundleSource => ({
      bundleFor: () => bundle,
      distrustedKeys: (name) => {
        asked.push(name);
        return distrusted;
      },
    });
    const chain = [leaf.der, crossSigned.der];
    const options = { now, peerRole: 'client' } as const;
    expect(verifyX509Svid(chain, source(), options).trustDomain).toBe(trustDomain);
    expect(() => verifyX509Svid(chain, source(keys), options)).toThrow(
      expect.objectContaining({ code: 'path-refused' }),
    );
    expect(asked).toEqual([trustDomain, trustDomain]);
  });
});
