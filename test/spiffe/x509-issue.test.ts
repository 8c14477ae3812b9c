import { X509Certificate } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { generateKeyPair, issueCertificate, parseCertificate } from '../../src/spiffe/index.ts';
import { createTestCa } from '../../testkit/test-ca.ts';

const dates = { notBefore: new Date('2030-01-01T00:00:00Z'), notAfter: new Date('2031-01-01T00:00:00Z') };

describe('issueCertificate()', () => {
  it('makes leaves and CAs of the shape that the standard requires (X509-10, X509-12, X509-15, ID-19)', async () => {
    const ca = await createTestCa({ trustDomain: 'a.example' });
    const root = parseCertificate(ca.root);
    expect(root.extensions.keyUsage).toMatchObject({
      critical: true,
      usages: new Set(['keyCertSign', 'cRLSign']),
    });
    expect(root.extensions.basicConstraints).toMatchObject({ critical: true, isCa: true });
    expect(root.subjectAltNames.uris).toEqual(['spiffe://a.example']);
    const [der = ca.root] = (await ca.issueLeaf()).chain;
    const leaf = parseCertificate(der);
    expect(leaf.extensions.keyUsage).toMatchObject({
      critical: true,
      usages: new Set(['digitalSignature', 'keyEncipherment']),
    });
    expect(leaf.extendedKeyUsage).toEqual(new Set(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']));
    expect(leaf.extensions.subjectAltName?.critical).toBe(true);
    expect(leaf.authorityKeyId).toBe(root.subjectKeyId);
    expect(new X509Certificate(der).checkIssued(new X509Certificate(ca.root))).toBe(true);
    expect(new X509Certificate(der).verify(new X509Certificate(ca.root).publicKey)).toBe(true);
  });

  it('keeps a subject byte for byte, for a constrained anchor with the same name and key signed by another key (X509-30)', async () => {
    const ca = await createTestCa({ trustDomain: 'a.example', subject: 'C=DE,O=Acme \u00fc,OU=x,CN=Root' });
    const throwaway = await generateKeyPair('P-256');
    const { subjectDer, spkiDer, subjectKeyId = '' } = parseCertificate(ca.root);
    const narrowed = parseCertificate(
      await issueCertificate({
        subject: '',
        subjectDer,
        publicKey: new X509Certificate(ca.root).publicKey,
        signingKey: throwaway.privateKey,
        subjectKeyId,
        ...dates,
        isCa: true,
        keyUsage: ['keyCertSign'],
        nameConstraints: {
          permittedUris: ['a.example'],
          permittedDns: ['a.example.invalid'],
          excludedIps: ['0.0.0.0/0', '::/0'],
        },
      }),
    );
    expect(narrowed.subjectDer).toEqual(subjectDer);
    expect(narrowed.issuerDer).toEqual(subjectDer);
    expect(narrowed.spkiDer).toEqual(spkiDer);
    expect(narrowed.subjectKeyId).toBe(subjectKeyId);
    expect(narrowed.authorityKeyId).toBeUndefined();
    expect(narrowed.extensions.nameConstraints?.critical).toBe(true);
    expect(
      narrowed.extensions.nameConstraints?.excluded.map(({ kind, matches }) => [kind, matches !== undefined]),
    ).toEqual([
      ['ip', true],
      ['ip', true],
    ]);
  });

  it('refuses a missing signing key and invalid IP subtrees', async () => {
    const { publicKey, privateKey } = await generateKeyPair('P-256');
    const request = { subject: 'CN=x', publicKey, ...dates, isCa: true, keyUsage: [] };
    await expect(issueCertificate(request)).rejects.toThrow(TypeError);
    for (const subtree of [
      '1.2.3.4',
      '1.2.3.4/33',
      '1.2.3/8',
      '::1::/8',
      '1:2:3:4:5:6:7:8:9/8',
      'x/8',
      '256.0.0.0/8',
    ]) {
      const nameConstraints = { excludedIps: [subtree] };
      await expect(issueCertificate({ ...request, signingKey: privateKey, nameConstraints })).rejects.toThrow(
        TypeError,
      );
    }
    const nameConstraints = { excludedIps: ['10.0.0.0/9', '2001:db8::/33', '::1/128'] };
    await expect(
      issueCertificate({ ...request, signingKey: privateKey, nameConstraints }),
    ).resolves.toBeInstanceOf(Uint8Array);
  });
});
