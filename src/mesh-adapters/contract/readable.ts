import { readingProblem, type X509Authority } from '../../spiffe/index.ts';

/**
 * Sees that every verifier reads a certificate, because one that it cannot read makes it refuse
 * everything that stands next to it. The reader of bundles leaves such roots out; a bundle that was
 * stored before it did may have one. Throws what is wrong.
 */
export function assertReadable(certificate: Pick<X509Authority, 'der' | 'fingerprint'>): void {
  const problem = readingProblem(certificate);
  if (problem !== undefined) throw new TypeError(`others cannot read it: ${problem}`);
}
