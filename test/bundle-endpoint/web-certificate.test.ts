import { writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readWebCertificate } from '../../src/bundle-endpoint/web-certificate.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa } from '../../testkit/test-ca.ts';

const url = new URL('https://localhost/');

type Files = { cert: string | Buffer; key: string | Buffer };

describe('readWebCertificate()', () => {
  it.each<[string, (good: { cert: string; key: string }) => Files, RegExp]>([
    [
      'DER',
      ({ cert, key }) => ({ cert: Buffer.from(cert.split('\n').slice(1, -2).join(''), 'base64'), key }),
      /this is DER, not PEM/,
    ],
    ['UTF-16', ({ cert, key }) => ({ cert: Buffer.from(`\uFEFF${cert}`, 'utf16le'), key }), /is UTF-16/],
    ['an empty file', ({ key }) => ({ cert: '', key }), /holds no certificate/],
    ['a key only', ({ key }) => ({ cert: key, key }), /holds a private key/],
    ['a certificate in the key file', ({ cert }) => ({ cert, key: cert }), /holds no private key/],
    ['an empty key file', ({ cert }) => ({ cert, key: '' }), /holds no private key/],
  ])('says what stands in the place of PEM: %s', async (_what, harm, message) => {
    using folder = tempDir();
    const ca = await createTestCa({ trustDomain: 'web.example' });
    const leaf = await ca.issueLeaf({ uriSans: [], dnsSans: ['localhost'] });
    const { cert, key } = harm({ cert: leaf.certPem, key: leaf.keyPem });
    const files = { certificateFile: folder.file('tls.crt'), keyFile: folder.file('tls.key') };
    writeFileSync(files.certificateFile, cert);
    writeFileSync(files.keyFile, key);
    await expect(readWebCertificate(files, url)).rejects.toMatchObject({
      code: 'certificate-unusable',
      message: expect.stringMatching(message) as unknown,
    });
  });

  it('takes chain and key from one file, with line ends of any kind', async () => {
    using folder = tempDir();
    const ca = await createTestCa({ trustDomain: 'web.example' });
    const leaf = await ca.issueLeaf({ uriSans: [], dnsSans: ['localhost'] });
    const both = folder.file('both.pem');
    writeFileSync(both, `\uFEFF${leaf.certPem}${leaf.keyPem}`.replaceAll('\n', '\r\n'));
    const files = { certificateFile: both, keyFile: both };
    expect((await readWebCertificate(files, url)).cert).toContain('BEGIN CERTIFICATE');
  });
});
