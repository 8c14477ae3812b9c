import { generateKeyPair, issueCertificate, pemFromCertificates } from '../spiffe/index.ts';

const A_DAY_MS = 86_400_000;
const YEARS_MS = 30 * 365 * A_DAY_MS;

/** PEM of a root whose key is thrown away at once, so that nobody can ever be let in by it. */
export async function createNobodysRoot(now: Date): Promise<string> {
  const { publicKey, privateKey } = await generateKeyPair('P-256');
  const root = await issueCertificate({
    subject: 'O=federate,CN=no longer trusted',
    publicKey,
    signingKey: privateKey,
    notBefore: new Date(now.getTime() - A_DAY_MS),
    notAfter: new Date(now.getTime() + YEARS_MS),
    isCa: true,
    pathLength: 0,
    keyUsage: ['keyCertSign'],
  });
  return pemFromCertificates([root]);
}
