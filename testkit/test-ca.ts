import type { KeyObject } from 'node:crypto';
import {
  bundleOf,
  generateKeyPair,
  type IssueRequest,
  issueCertificate,
  type KeyKind,
  parseTrustDomain,
  pemFromCertificates,
  type SpiffeId,
  spiffeIdOf,
  type TrustBundle,
  type TrustDomain,
  type X509Authority,
  x509AuthorityFromDer,
} from '../src/spiffe/index.ts';

/** The instant at which everything a test CA makes by default is valid, an hour after its beginning. */
export const TEST_INSTANT = new Date('2030-01-01T12:00:00Z');
const NOT_BEFORE = new Date('2030-01-01T11:00:00Z');
const LEAF_NOT_AFTER = new Date('2030-01-02T11:00:00Z');
const CA_NOT_AFTER = new Date('2040-01-01T11:00:00Z');

export interface TestCaOptions {
  readonly trustDomain: string;
  readonly subject?: string;
  readonly keyKind?: KeyKind;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Gives the CA certificate the ID `spiffe://<trust domain>`; default true. */
  readonly spiffeIdInCa?: boolean;
  readonly withKeyIdentifiers?: boolean;
  /** Anything else about the CA certificate. */
  readonly overrides?: Partial<IssueRequest>;
}

export interface TestLeafOptions extends Partial<Omit<IssueRequest, 'issuer'>> {
  /** With its leading slash; default `/workload`. */
  readonly path?: string;
  readonly keyKind?: KeyKind;
}

interface TestLeaf {
  /** Leaf first, then the intermediates up to but without the root. */
  readonly chain: readonly Uint8Array[];
  readonly key: KeyObject;
  readonly certPem: string;
  readonly keyPem: string;
  readonly id: SpiffeId;
}

/** A CA that issues leaves and intermediates of one trust domain. */
export class TestCa {
  readonly trustDomain: TrustDomain;
  /** The certificate of this CA, DER: the root, or for an intermediate the intermediate. */
  readonly root: Uint8Array;
  readonly key: KeyObject;
  readonly authority: X509Authority;
  /** The intermediates a leaf carries, nearest first. */
  readonly intermediates: readonly Uint8Array[];
  readonly withKeyIdentifiers: boolean;

  constructor(
    trustDomain: TrustDomain,
    root: Uint8Array,
    key: KeyObject,
    intermediates: readonly Uint8Array[],
    withKeyIdentifiers: boolean,
  ) {
    this.trustDomain = trustDomain;
    this.root = root;
    this.key = key;
    this.authority = x509AuthorityFromDer(root);
    this.intermediates = intermediates;
    this.withKeyIdentifiers = withKeyIdentifiers;
  }

  /** The bundle of this CA alone. */
  bundle(sequence?: bigint): TrustBundle {
    return bundleOf(this.trustDomain, [this.authority], sequence === undefined ? {} : { sequence });
  }

  async issueLeaf({
    path = '/workload',
    keyKind = 'P-256',
    ...overrides
  }: TestLeafOptions = {}): Promise<TestLeaf> {
    const keys = await generateKeyPair(keyKind);
    const id = spiffeIdOf(this.trustDomain, path);
    const leaf = await issueCertificate({
      subject: '',
      publicKey: keys.publicKey,
      issuer: { certificate: this.root, key: this.key },
      notBefore: NOT_BEFORE,
      notAfter: LEAF_NOT_AFTER,
      isCa: false,
      keyUsage: ['digitalSignature', 'keyEncipherment'],
      extendedKeyUsage: ['serverAuth', 'clientAuth'],
      uriSans: [id],
      withKeyIdentifiers: this.withKeyIdentifiers,
      ...overrides,
    });
    const chain = [leaf, ...this.intermediates];
    return {
      chain,
      key: keys.privateKey,
      certPem: pemFromCertificates(chain),
      keyPem: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
      id,
    };
  }

  /** A CA below this one; its leaves carry its certificate. */
  async issueIntermediate({
    keyKind = 'P-256',
    ...overrides
  }: Partial<Omit<IssueRequest, 'issuer'>> & { readonly keyKind?: KeyKind } = {}): Promise<TestCa> {
    const keys = await generateKeyPair(keyKind);
    const certificate = await issueCertificate({
      subject: `O=${this.trustDomain},CN=Intermediate`,
      publicKey: keys.publicKey,
      issuer: { certificate: this.root, key: this.key },
      notBefore: NOT_BEFORE,
      notAfter: CA_NOT_AFTER,
      isCa: true,
      keyUsage: ['keyCertSign', 'cRLSign'],
      withKeyIdentifiers: this.withKeyIdentifiers,
      ...overrides,
    });
    return new TestCa(
      this.trustDomain,
      certificate,
      keys.privateKey,
      [certificate, ...this.intermediates],
      this.withKeyIdentifiers,
    );
  }
}

/** A root CA of a trust domain, valid at `TEST_INSTANT`. */
export async function createTestCa({
  trustDomain: name,
  subject = `O=${name},CN=Root`,
  keyKind = 'P-256',
  notBefore = NOT_BEFORE,
  notAfter = CA_NOT_AFTER,
  spiffeIdInCa = true,
  withKeyIdentifiers = true,
  overrides = {},
}: TestCaOptions): Promise<TestCa> {
  const trustDomain = parseTrustDomain(name);
  const keys = await generateKeyPair(keyKind);
  const root = await issueCertificate({
    subject,
    publicKey: keys.publicKey,
    signingKey: keys.privateKey,
    notBefore,
    notAfter,
    isCa: true,
    keyUsage: ['keyCertSign', 'cRLSign'],
    withKeyIdentifiers,
    ...(spiffeIdInCa ? { uriSans: [spiffeIdOf(trustDomain)] } : {}),
    ...overrides,
  });
  return new TestCa(trustDomain, root, keys.privateKey, [], withKeyIdentifiers);
}
