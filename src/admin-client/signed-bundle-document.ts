/** Our bundle with our signature. */
export interface SignedBundleDocument {
  readonly trust_domain: string;
  readonly signer_id: string;
  /** When the signature ends: with the lifetime that was asked for, or with our SVID. */
  readonly expires_at: string;
  readonly token: string;
}
