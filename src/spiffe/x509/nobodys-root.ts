import { pemFromCertificates } from '../base/pem.ts';
import { generateKeyPair, issueCertificate } from './issue.ts';

const A_DAY_MS = 86_400_000;
const YEARS_MS = 30 * 365 * A_DAY_MS;

/**
 * PEM of a root whose key is discarded at once. It replaces expired roots where a reader refuses an
 * empty list and would keep the last one, as Envoy does.
 */
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
