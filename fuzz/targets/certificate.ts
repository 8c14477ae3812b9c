import { readFileSync } from 'node:fs';
import {
  CertificateError,
  certificatesFromPem,
  parseCertificate,
  parseTrustDomain,
  BundleSet,
  bundleOf,
  verifyX509Path,
  verifyX509Svid,
  x509AuthorityFromDer,
  X509PathError,
  X509SvidError,
  BundleError,
} from '../../src/spiffe/index.ts';
import { must } from '../must.ts';
import { CHAIN_FILE, CHAIN_INSTANT } from '../chain.ts';

const [leaf, intermediate, root] = certificatesFromPem(readFileSync(CHAIN_FILE, 'utf8'));
if (!leaf || !intermediate || !root)
  throw new Error(`${CHAIN_FILE} holds a leaf, an intermediate and a root`);
const bundles = new BundleSet([
  bundleOf(parseTrustDomain('td.example'), [x509AuthorityFromDer(root)], { sequence: 1n }),
]);
const genuine = [leaf, intermediate, root].map((der) => Buffer.from(parseCertificate(der).tbsDer));

/** A certificate is refused with a `CertificateError` or read whole; no place in a chain makes it throw anything else or be trusted. */
export function fuzz(data: Uint8Array): void {
  const certificate = attempt(() => parseCertificate(data), CertificateError);
  if (certificate) {
    must(Buffer.from(certificate.der).equals(data), 'nothing but the certificate was read');
    const { subjectAltNames, subject, issuer, constrainedNames, fingerprint, keyFingerprint, notAfter } =
      certificate;
    must(Array.isArray(subjectAltNames.uris) && Array.isArray(constrainedNames), 'names are lists');
    must(typeof subject === 'string' && typeof issuer === 'string', 'names can be shown');
    must(/^[0-9a-f]{64}$/.test(fingerprint) && /^[0-9a-f]{64}$/.test(keyFingerprint), 'fingerprints are hex');
    must(!Number.isNaN(notAfter.getTime()), 'validity is an instant');
  }
  const isGenuine = certificate !== undefined && genuine.some((tbs) => tbs.equals(certificate.tbsDer));
  const now = CHAIN_INSTANT;
  const trusted = attempt(
    () => verifyX509Svid([data, intermediate as Uint8Array], bundles, { now, peerRole: 'client' }),
    X509SvidError,
  );
  must(!trusted || isGenuine, 'only what a key of the bundle signed is trusted');
  const byHelper = attempt(
    () => verifyX509Path({ leaf: leaf as Uint8Array, helpers: [data], anchors: [root as Uint8Array], now }),
    X509PathError,
  );
  must(!byHelper || isGenuine, 'no helper helps that a key of the bundle did not sign');
  attempt(
    () =>
      verifyX509Path({
        leaf: leaf as Uint8Array,
        helpers: [intermediate as Uint8Array],
        anchors: [data],
        now,
      }),
    X509PathError,
  );
  attempt(() => x509AuthorityFromDer(data), BundleError);
}

/** What `work` gives, or undefined where it refuses as it should. */
function attempt<Result>(work: () => Result, refusal: new (...args: never[]) => Error): Result | undefined {
  try {
    return work();
  } catch (error) {
    if (error instanceof refusal) return undefined;
    throw error;
  }
}
