import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { judge, type Made, makeCa, makeLeaf, rebuild } from './chain-maker.ts';

let root: Made;
beforeAll(async () => {
  root = await makeCa('CN=Root');
});

describe('verifyX509Path() and algorithms (X509-36)', () => {
  it.each([
    'P-256',
    'P-384',
    'P-521',
    'RSA-2048',
    'RSA-4096',
    'Ed25519',
  ] as const)('accepts %s keys', async (keyKind) => {
    const ca = await makeCa('CN=Root', undefined, { keyKind });
    const below = await makeCa('CN=Middle', ca, { keyKind });
    expect(judge((await makeLeaf(below)).der, [below.der], [ca.der])).toBe('accepted over 3');
  });

  it('accepts RSA-PSS with SHA-256, and no other key under that name', async () => {
    const ca = await makeCa('CN=Root', undefined, { keyKind: 'RSA-2048' });
    const good = await makeLeaf(ca, { rsaPss: true });
    expect(judge(good.der, [], [ca.der])).toBe('accepted over 2');
    const other = await makeCa('CN=Root', undefined, { keyKind: 'RSA-2048' });
    expect(judge(good.der, [], [other.der])).toBe('signature-invalid of leaf 0');
  });

  it('refuses signatures with SHA-1 below the anchor, RSA and ECDSA', async () => {
    const rsa = await makeCa('CN=Root', undefined, { keyKind: 'RSA-2048' });
    const belowRsa = await makeLeaf(rsa);
    const again = (algorithm: string, hash: string, ca: Made, der: Uint8Array) =>
      judge(
        rebuild(der, ca.privateKey, (parts) => parts, { algorithm, hash }),
        [],
        [ca.der],
      );
    expect(again('1.2.840.113549.1.1.11', 'sha256', rsa, belowRsa.der)).toBe('accepted over 2');
    expect(again('1.2.840.113549.1.1.13', 'sha512', rsa, belowRsa.der)).toBe('accepted over 2');
    expect(again('1.2.840.113549.1.1.5', 'sha1', rsa, belowRsa.der)).toBe(
      'signature-algorithm-refused of leaf 0',
    );
    expect(again('1.2.840.113549.1.1.4', 'md5', rsa, belowRsa.der)).toBe(
      'signature-algorithm-refused of leaf 0',
    );
    const belowRoot = await makeLeaf(root);
    expect(again('1.2.840.10045.4.3.3', 'sha384', root, belowRoot.der)).toBe('accepted over 2');
    expect(again('1.2.840.10045.4.1', 'sha1', root, belowRoot.der)).toBe(
      'signature-algorithm-refused of leaf 0',
    );
    expect(again('1.2.840.10045.4.3.3', 'sha256', root, belowRoot.der)).toBe('signature-invalid of leaf 0');
    // The hash of an anchor's own signature does not matter.
    const oldRoot = rebuild(rsa.der, rsa.privateKey, (parts) => parts, {
      algorithm: '1.2.840.113549.1.1.5',
      hash: 'sha1',
    });
    expect(judge(belowRsa.der, [], [oldRoot])).toBe('accepted over 2');
  });

  it('refuses small RSA keys and other curves, as leaf and as anchor', async () => {
    const weak = [
      generateKeyPairSync('rsa', { modulusLength: 1024 }),
      generateKeyPairSync('ec', { namedCurve: 'P-256', paramEncoding: 'explicit' }),
      generateKeyPairSync('ec', { namedCurve: 'secp256k1' }),
      generateKeyPairSync('ed448'),
      generateKeyPairSync('x25519'),
    ];
    for (const keys of weak) {
      const { der } = await makeLeaf(root, {
        keys: { publicKey: keys.publicKey, privateKey: root.privateKey },
      });
      expect(judge(der, [], [root.der])).toBe('key-refused of leaf 0');
      const anchor = await makeCa('CN=Weak', undefined, {
        keys: { publicKey: keys.publicKey, privateKey: root.privateKey },
      });
      const below = await makeLeaf({ ...anchor, privateKey: root.privateKey });
      expect(judge(below.der, [], [anchor.der])).toBe('key-refused of anchor 0');
    }
  });

  it('refuses a signature under a key of another kind', async () => {
    const ed = await makeCa('CN=Root', undefined, { keyKind: 'Ed25519' });
    expect(judge((await makeLeaf(root)).der, [], [ed.der])).toBe('signature-invalid of leaf 0');
  });
});
