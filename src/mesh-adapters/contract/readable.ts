import { readingProblem, type X509Authority } from '../../spiffe/index.ts';

/**
 * Checks that every verifier can read a certificate, because a verifier refuses the whole pool for
 * one that it cannot read. The bundle reader leaves such roots out, but a bundle stored by an older
 * version may contain one. Throws the reason.
 */
export function assertReadable(certificate: Pick<X509Authority, 'der' | 'fingerprint'>): void {
  const problem = readingProblem(certificate);
  if (problem !== undefined) throw new TypeError(`others cannot read it: ${problem}`);
}
