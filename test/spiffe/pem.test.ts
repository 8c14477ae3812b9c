import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { certificatesFromPem, pemFromCertificates, x509AuthorityFromDer } from '../../src/spiffe/index.ts';
import { createTestCa } from '../../testkit/test-ca.ts';
import { attempt, codeOf } from './attempt.ts';

const block = (label: string, body = 'AAAA') => `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;

describe('certificatesFromPem()', () => {
  it('reads certificates in order, with text around them and with each line end of RFC 7468', async () => {
    const { chain, certPem } = await (
      await (await createTestCa({ trustDomain: 'a.example' })).issueIntermediate()
    ).issueLeaf();
    expect(chain).toHaveLength(2);
    expect(certificatesFromPem(certPem)).toEqual(chain.map((der) => Uint8Array.from(der)));
    expect(certificatesFromPem(`subject=x\r\n${certPem.replaceAll('\n', '\r\n')}bye`)).toHaveLength(2);
    expect(certificatesFromPem(certPem.replaceAll('\n', '\r'))).toEqual(certificatesFromPem(certPem));
  });

  it.each([
    ['pem-private-key', block('CERTIFICATE') + block('PRIVATE KEY')],
    ['pem-private-key', block('EC PRIVATE KEY')],
    ['pem-private-key', block('ENCRYPTED PRIVATE KEY') + block('CERTIFICATE')],
    ['pem-unexpected-label', block('CERTIFICATE') + block('PUBLIC KEY')],
    ['pem-unexpected-label', block('CERTIFICATE REQUEST')],
    ['pem-malformed', block('CERTIFICATE', '*')],
    ['pem-malformed', block('CERTIFICATE', 'AAA')],
    ['pem-malformed', block('CERTIFICATE', '')],
    ['pem-malformed', '-----BEGIN CERTIFICATE-----\nAAAA\n'],
    ['pem-malformed', '-----END CERTIFICATE-----\n'],
    [
      'pem-malformed',
      '-----BEGIN CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    ],
    ['pem-empty', 'no certificate here'],
    ['pem-empty', ''],
    ['pem-too-large', block('CERTIFICATE').repeat(1001)],
    ['pem-too-large', ' '.repeat(4 * 1024 * 1024 + 1)],
  ])('refuses with %s', (code, pem) => {
    expect(codeOf(() => certificatesFromPem(block('CERTIFICATE')))).toBe('accepted');
    expect(codeOf(() => certificatesFromPem(pem))).toBe(code);
  });

  it('does not repeat key material in its error', () => {
    const outcome = attempt(() => certificatesFromPem(block('PRIVATE KEY', 'c2VjcmV0')));
    expect(JSON.stringify(outcome) + ('error' in outcome ? outcome.error.message : '')).not.toContain(
      'c2VjcmV0',
    );
  });

  it('undoes pemFromCertificates(), for any bytes', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 200 }), { minLength: 1, maxLength: 5 }),
        (ders) => {
          expect(certificatesFromPem(pemFromCertificates(ders))).toEqual(ders);
        },
      ),
    );
  });
});

describe('x509AuthorityFromDer()', () => {
  it('takes a CA, whatever CA signed it, and refuses what is none (TDB-26, TDB-28, X509-24)', async () => {
    const ca = await createTestCa({ trustDomain: 'a.example', subject: 'O=a.example,CN=Root 1' });
    const authority = x509AuthorityFromDer(ca.root);
    expect(authority).toMatchObject({
      subject: 'O=a.example,CN=Root 1',
      notAfter: new Date('2040-01-01T11:00:00Z'),
    });
    expect(x509AuthorityFromDer((await ca.issueIntermediate()).root).subject).toBe(
      'O=a.example,CN=Intermediate',
    );
    const [leaf = Uint8Array.of()] = (await ca.issueLeaf()).chain;
    expect(codeOf(() => x509AuthorityFromDer(leaf))).toBe('authority-not-a-ca');
    expect(codeOf(() => x509AuthorityFromDer(Uint8Array.of(1, 2, 3)))).toBe('authority-not-a-certificate');
  });

  it('does not change with the buffer it came in', async () => {
    const { root } = await createTestCa({ trustDomain: 'a.example' });
    const buffer = Uint8Array.from(root);
    const authority = x509AuthorityFromDer(buffer);
    buffer.fill(0);
    expect(authority.der).toEqual(root);
  });

  it('says what it was given instead of PEM, and where', async () => {
    const ca = await createTestCa({ trustDomain: 'a.example' });
    const good = pemFromCertificates([ca.root]);
    expect(() => certificatesFromPem(Buffer.from(ca.root).toString('utf8'))).toThrowError(/is DER, not PEM/);
    expect(() => certificatesFromPem(Buffer.from(good, 'utf16le').toString('utf8'))).toThrowError(
      /is UTF-16/,
    );
    const lines = good.trimEnd().split('\n').length;
    expect(() => certificatesFromPem(good.trimEnd() + good)).toThrowError(
      new RegExp(`in line ${lines} two blocks are glued together`),
    );
    expect(certificatesFromPem(good + good)).toHaveLength(2);
  });
});
