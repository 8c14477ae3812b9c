import type { KeyObject } from 'node:crypto';
import {
  generateKeyPair,
  issueCertificate,
  pemFromCertificates,
  x509AuthorityFromDer,
  type X509Authority,
} from '../../src/spiffe/index.ts';
import type { FakePeerIdentity } from '../../testkit/fake-peer.ts';

const HOUR_MS = 3_600_000;

/** A root CA on a P-256 key, and the certificates it issues for endpoints. */
export interface Authority {
  /** As a bundle holds it. */
  readonly x509: X509Authority;
  readonly pem: string;
  /** An X509-SVID with this ID, and with DNS names where a test wants to see that they play no part. */
  svid(id: string, rest?: { dnsSans?: string[]; notAfter?: Date }): Promise<FakePeerIdentity>;
  /** A Web PKI server certificate for these DNS names. */
  web(dnsSans: string[], rest?: { notBefore?: Date; notAfter?: Date }): Promise<FakePeerIdentity>;
  /** The same key in another certificate. */
  renewed(): Promise<X509Authority>;
  /** A certificate that somebody without the private key made of the same public key. */
  borrowed(): Promise<X509Authority>;
}

/** A new authority, valid around `now`; OpenSSL's own checks go by the real time, so `now` is that. */
export async function createAuthority(
  name: string,
  now: Date,
  validity: { notAfter?: Date } = {},
): Promise<Authority> {
  const { publicKey, privateKey } = await generateKeyPair('P-256');
  const notBefore = new Date(now.getTime() - 48 * HOUR_MS);
  const issueRoot = (subject: string, signingKey = privateKey) =>
    issueCertificate({
      subject,
      publicKey,
      signingKey,
      notBefore,
      isCa: true,
      notAfter: validity.notAfter ?? new Date(now.getTime() + 48 * HOUR_MS),
      keyUsage: ['keyCertSign', 'cRLSign'],
    });
  const root = await issueRoot(`CN=${name}`);
  const issueLeaf = async (rest: {
    uriSans?: string[];
    dnsSans?: string[];
    notBefore?: Date;
    notAfter?: Date;
  }): Promise<FakePeerIdentity> => {
    const leafKeys = await generateKeyPair('P-256');
    const leaf = await issueCertificate({
      subject: 'CN=endpoint',
      publicKey: leafKeys.publicKey,
      isCa: false,
      issuer: { certificate: root, key: privateKey },
      signingKey: privateKey,
      notBefore: new Date(now.getTime() - HOUR_MS),
      notAfter: new Date(now.getTime() + HOUR_MS),
      keyUsage: ['digitalSignature'],
      extendedKeyUsage: ['serverAuth', 'clientAuth'],
      ...rest,
    });
    return { certificatePem: pemFromCertificates([leaf]), keyPem: pemOf(leafKeys.privateKey) };
  };
  return {
    x509: x509AuthorityFromDer(root),
    pem: pemFromCertificates([root]),
    svid: (id, rest = {}) => issueLeaf({ uriSans: [id], ...rest }),
    web: (dnsSans, rest = {}) => issueLeaf({ dnsSans, ...rest }),
    renewed: async () => x509AuthorityFromDer(await issueRoot(`CN=${name} renewed`)),
    borrowed: async () => {
      const { privateKey: other } = await generateKeyPair('P-256');
      return x509AuthorityFromDer(await issueRoot(`CN=${name} borrowed`, other));
    },
  };
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}
