import type { IssueRequest, KeyKind, TrustDomain } from '../../spiffe/index.ts';

/** The form of the certificates of one product's CA; the CA itself is the same for all products. */
export interface CertificateProfile {
  readonly caKey: KeyKind;
  readonly leafKey: KeyKind;
  /**
   * Subject of the root, RFC 4514; `mark` is a few random hex digits for products that put some in.
   */
  rootSubject(trustDomain: TrustDomain, mark: string): string;
  intermediateSubject(trustDomain: TrustDomain, mark: string): string;
  readonly caKeyUsage: IssueRequest['keyUsage'];
  readonly leafKeyUsage: IssueRequest['keyUsage'];
  /** Whether signing certificates carry the trust domain's own ID (X509-17). */
  readonly caCarriesSpiffeId: boolean;
  /**
   * Whether the old root also signs a new root, so that a holder of only the old root can follow.
   */
  readonly crossSigns: boolean;
  /** How long before its issuance a leaf begins to be valid, against clocks that run behind. */
  readonly backdateMs: number;
}
