import { createPublicKey } from 'node:crypto';
import { generateKeyPair, issueCertificate, pemFromCertificates, spiffeIdOf } from '../src/spiffe/index.ts';
import type { FakePeerIdentity } from './fake-peer.ts';
import { createTestCa, TEST_INSTANT, type TestCa, type TestLeafOptions } from './test-ca.ts';

const HOUR_MS = 3_600_000;
const hoursFromNow = (hours: number) => new Date(TEST_INSTANT.getTime() + hours * HOUR_MS);

/** An endpoint certificate of this CA, with its intermediates. */
export async function endpointOf(ca: TestCa, options: TestLeafOptions = {}): Promise<FakePeerIdentity> {
  const { certPem, keyPem } = await ca.issueLeaf({ path: '/endpoint', ...options });
  return { certificatePem: certPem, keyPem };
}

/** The same, followed by certificates that do not belong there. */
async function endpointWith(
  ca: TestCa,
  surplus: readonly Uint8Array[],
  options: TestLeafOptions = {},
): Promise<FakePeerIdentity> {
  const { certificatePem, keyPem } = await endpointOf(ca, options);
  return { certificatePem: `${certificatePem}${pemFromCertificates(surplus)}`, keyPem };
}

/** The CA's own certificate and key, shown as if it were an endpoint's. */
function asEndpoint(ca: TestCa): FakePeerIdentity {
  return {
    certificatePem: pemFromCertificates([ca.root]),
    keyPem: ca.key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

/** The CA `subject` certified by `issuer`: same name, same key, another signature. */
async function crossSigned(subject: TestCa, subjectName: string, issuer: TestCa): Promise<Uint8Array> {
  return issueCertificate({
    subject: subjectName,
    publicKey: createPublicKey(subject.key),
    issuer: { certificate: issuer.root, key: issuer.key },
    notBefore: hoursFromNow(-1),
    notAfter: hoursFromNow(24),
    isCa: true,
    keyUsage: ['keyCertSign', 'cRLSign'],
  });
}

/** The CAs that a hostile endpoint can draw on. */
export interface Surroundings {
  /** The peer's own, whose root is in the bundle that we hold of it. */
  readonly peerCa: TestCa;
  /** Of another trust domain that we federate with. */
  readonly otherCa: TestCa;
  /** Of our own mesh. */
  readonly ownCa: TestCa;
}

/** What a hostile endpoint can show instead of its X509-SVID; all of them prove possession of the leaf's key. */
export const hostileIdentities = {
  anotherIdOfTheTrustDomain: ({ peerCa }: Surroundings) => endpointOf(peerCa, { path: '/workload' }),
  theSamePathElsewhere: ({ otherCa }: Surroundings) => endpointOf(otherCa),
  rightIdUnderAnothersRoot: ({ peerCa, otherCa }: Surroundings) =>
    endpointOf(otherCa, { uriSans: [spiffeIdOf(peerCa.trustDomain, '/endpoint')] }),
  rightIdUnderOurRoot: ({ peerCa, ownCa }: Surroundings) =>
    endpointOf(ownCa, { uriSans: [spiffeIdOf(peerCa.trustDomain, '/endpoint')] }),
  rightIdUnderNobodysRoot: async ({ peerCa }: Surroundings) =>
    endpointOf(await createTestCa({ trustDomain: peerCa.trustDomain, subject: 'CN=Nobody' })),
  expired: ({ peerCa }: Surroundings) =>
    endpointOf(peerCa, { notBefore: hoursFromNow(-3), notAfter: new Date(TEST_INSTANT.getTime() - 1000) }),
  notYetValid: ({ peerCa }: Surroundings) =>
    endpointOf(peerCa, { notBefore: new Date(TEST_INSTANT.getTime() + 1000), notAfter: hoursFromNow(3) }),
  caAsLeaf: ({ peerCa }: Surroundings) => endpointOf(peerCa, { isCa: true }),
  signerAsLeaf: ({ peerCa }: Surroundings) =>
    endpointOf(peerCa, { keyUsage: ['digitalSignature', 'keyCertSign'] }),
  theRootItself: ({ peerCa }: Surroundings) => Promise.resolve(asEndpoint(peerCa)),
  clientOnly: ({ peerCa }: Surroundings) => endpointOf(peerCa, { extendedKeyUsage: ['clientAuth'] }),
  twoIds: ({ peerCa }: Surroundings) =>
    endpointOf(peerCa, {
      uriSans: ['/endpoint', '/workload'].map((path) => spiffeIdOf(peerCa.trustDomain, path)),
    }),
  theIdTwice: ({ peerCa }: Surroundings) => {
    const id = spiffeIdOf(peerCa.trustDomain, '/endpoint');
    return endpointOf(peerCa, { uriSans: [id, id] });
  },
  anIdAndAnotherUri: ({ peerCa }: Surroundings) =>
    endpointOf(peerCa, {
      uriSans: [spiffeIdOf(peerCa.trustDomain, '/endpoint'), 'https://peer.example/endpoint'],
    }),
  upperCaseId: ({ peerCa }: Surroundings) =>
    endpointOf(peerCa, { uriSans: ['SPIFFE://peer.example/endpoint'] }),
  noId: ({ peerCa }: Surroundings) => endpointOf(peerCa, { uriSans: [], dnsSans: ['localhost'] }),
  /** Another key under the name of the peer's root, sent along. */
  lookAlikeRoot: async ({ peerCa }: Surroundings) => {
    const fake = await createTestCa({ trustDomain: peerCa.trustDomain });
    return endpointWith(fake, [fake.root]);
  },
  /** A leaf of the other peer's CA, an expired look-alike of our peer's root, and a CA of the other peer above both. */
  lookAlikeOverAnothersCa: async ({ peerCa, otherCa }: Surroundings) => {
    const between = await otherCa.issueIntermediate({ subject: `O=${peerCa.trustDomain},CN=Root` });
    const lookAlike = await createTestCa({
      trustDomain: peerCa.trustDomain,
      notBefore: hoursFromNow(-48),
      notAfter: hoursFromNow(-24),
    });
    return endpointWith(between, [lookAlike.root, otherCa.root], {
      uriSans: [spiffeIdOf(peerCa.trustDomain, '/endpoint')],
    });
  },
  /** Two CAs that certify each other, so that a path search can go round and round. */
  mutuallyCrossSigned: async ({ peerCa }: Surroundings) => {
    const [one, two] = await Promise.all([
      createTestCa({ trustDomain: peerCa.trustDomain, subject: 'CN=One' }),
      createTestCa({ trustDomain: peerCa.trustDomain, subject: 'CN=Two' }),
    ]);
    return endpointWith(one, [await crossSigned(one, 'CN=One', two), await crossSigned(two, 'CN=Two', one)]);
  },
  /** Six CAs of one name, each certified by each: every certificate is a candidate for every step. */
  allOfOneName: async ({ peerCa }: Surroundings) => {
    const cas = await Promise.all(
      Array.from({ length: 6 }, () =>
        createTestCa({ trustDomain: peerCa.trustDomain, subject: 'CN=Same', withKeyIdentifiers: false }),
      ),
    );
    const [first, ...rest] = cas as [TestCa, ...TestCa[]];
    return endpointWith(first, await Promise.all(rest.map((each) => crossSigned(first, 'CN=Same', each))));
  },
  /** More certificates than a verifier needs, the right chain among them. */
  aHundredCertificates: async ({ peerCa }: Surroundings) => {
    const keys = await generateKeyPair('P-256');
    const surplus = await issueCertificate({
      subject: 'CN=Surplus',
      publicKey: keys.publicKey,
      signingKey: keys.privateKey,
      notBefore: hoursFromNow(-1),
      notAfter: hoursFromNow(24),
      isCa: true,
      keyUsage: ['keyCertSign'],
    });
    return endpointWith(
      peerCa,
      Array.from({ length: 99 }, () => surplus),
    );
  },
} as const satisfies Record<string, (around: Surroundings) => Promise<FakePeerIdentity>>;
