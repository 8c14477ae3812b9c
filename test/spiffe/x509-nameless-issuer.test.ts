import { beforeAll, describe, expect, it } from 'vitest';
import { parseCertificate } from '../../src/spiffe/index.ts';
import { authorityKeyIdExtension } from '../../src/spiffe/x509/issue-extensions.ts';
import { judge, type Made, makeCa, makeLeaf } from './chain-maker.ts';

/**
 * A secondary datacenter of Consul has an intermediate without a subject, so that its leaves have
 * an empty issuer (hashicorp/consul 16202). An empty name identifies no one: key identifiers name
 * the issuer, and the signature proves it.
 */
let root: Made;
let nameless: Made;

beforeAll(async () => {
  root = await makeCa('CN=Primary');
  nameless = await makeCa('', root, { pathLength: 0 });
});

const verdict = (leaf: Made, helpers: readonly Made[], anchors: readonly Made[] = [root]) =>
  judge(
    leaf.der,
    helpers.map(({ der }) => der),
    anchors.map(({ der }) => der),
  );

describe('verifyX509Path() and issuers without a name (X509-26)', () => {
  it('accepts a leaf whose issuer has no name, by key identifier and signature', async () => {
    const leaf = await makeLeaf(nameless);
    expect(parseCertificate(leaf.der).issuerDer).toHaveLength(2);
    expect(verdict(leaf, [nameless])).toBe('accepted over 3');
  });

  it('finds the one of several issuers without a name', async () => {
    const others = [await makeCa('', root), await makeCa('', root), await makeCa('', root)];
    expect(verdict(await makeLeaf(nameless), [...others, nameless])).toBe('accepted over 3');
  });

  it('refuses it without key identifiers, in the leaf or in its issuer', async () => {
    const bare = await makeLeaf(nameless, { withKeyIdentifiers: false });
    expect(verdict(bare, [nameless])).toBe('issuer-name-empty of leaf 0');
    const anonymous = await makeCa('', root, { withKeyIdentifiers: false });
    expect(verdict(await makeLeaf(anonymous), [anonymous])).toBe('issuer-name-empty of leaf 0');
  });

  it('refuses key identifiers that name another issuer, also where that one made the signature', async () => {
    const other = await makeCa('', root);
    const { subjectKeyId = '' } = parseCertificate(other.der);
    const extensions = [authorityKeyIdExtension(Buffer.from(subjectKeyId, 'hex'))];
    const leaf = await makeLeaf(nameless, { extensions });
    expect(verdict(leaf, [nameless])).toBe('issuer-name-empty of leaf 0');
    expect(verdict(leaf, [nameless, other])).toBe('signature-invalid of leaf 0');
  });

  it('accepts no other issuer with the same key identifier', async () => {
    const { subjectKeyId = '' } = parseCertificate(nameless.der);
    const stranger = await makeCa('CN=Stranger');
    const forger = await makeCa('', stranger, { subjectKeyId });
    const leaf = await makeLeaf(forger);
    expect(verdict(leaf, [nameless])).toBe('signature-invalid of leaf 0');
    expect(verdict(leaf, [forger])).not.toMatch(/^accepted/);
    expect(verdict(leaf, [forger, nameless])).not.toMatch(/^accepted/);
  });

  it('accepts no anchor without a name', async () => {
    const anchor = await makeCa('');
    expect(verdict(await makeLeaf(anchor), [], [anchor])).toBe('issuer-name-empty of anchor 0');
  });

  it('counts issuers without a name against the path length, which binds them as all others', async () => {
    const top = await makeCa('', root, { pathLength: 0 });
    const below = await makeCa('', top);
    expect(verdict(await makeLeaf(below), [top, below])).toBe('path-length-exceeded of helper 0');
    const long = await makeCa('', root);
    const under = await makeCa('', long);
    expect(verdict(await makeLeaf(under), [long, under])).toBe('accepted over 4');
  });

  it('applies name constraints to issuers without a name, which never count as self-issued', async () => {
    const narrow = await makeCa('CN=Narrow', undefined, {
      nameConstraints: { permittedDns: ['in.example'] },
    });
    const top = await makeCa('', narrow);
    const outside = await makeCa('', top, { dnsSans: ['ca.out.example'] });
    expect(parseCertificate(outside.der).isSelfIssued).toBe(false);
    expect(verdict(await makeLeaf(outside), [top, outside], [narrow])).toBe('name-not-permitted of helper 1');
    const inside = await makeCa('', top, { dnsSans: ['ca.in.example'] });
    expect(verdict(await makeLeaf(inside), [top, inside], [narrow])).toBe('accepted over 4');
    const leaf = await makeLeaf(inside, { dnsSans: ['w.out.example'] });
    expect(verdict(leaf, [top, inside], [narrow])).toBe('name-not-permitted of leaf 0');
  });

  it('requires that an issuer without a name is a CA that may sign, within its dates', async () => {
    const noCa = await makeCa('', root, { isCa: false, keyUsage: ['digitalSignature'] });
    expect(verdict(await makeLeaf(noCa), [noCa])).toBe('issuer-not-a-ca of helper 0');
    const ended = await makeCa('', root, { notAfter: new Date('2030-01-01T06:00:00Z') });
    expect(verdict(await makeLeaf(ended), [ended])).toBe('expired of helper 0');
  });
});
