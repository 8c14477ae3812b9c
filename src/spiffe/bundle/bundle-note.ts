/** The remarks about a bundle document that is still accepted. */
export type BundleNoteCode =
  /** TDB-38 */
  | 'entry-not-an-object'
  /** Grave: private or symmetric key material was published; the entry is ignored (TDB-37). */
  | 'entry-holds-secret'
  /** TDB-15 */
  | 'entry-key-type-unknown'
  /** TDB-17 */
  | 'entry-use-unknown'
  /** TDB-23 */
  | 'entry-without-certificate'
  /** The surplus values of `x5c` are ignored, the entry is used (TDB-24). */
  | 'entry-surplus-certificates'
  /** TDB-26 */
  | 'entry-certificate-malformed'
  /** TDB-28 */
  | 'entry-certificate-not-a-ca'
  | 'entry-key-unsupported'
  /**
   * We can read the certificate, but not every other verifier can, and some would refuse the whole
   * bundle for it.
   */
  | 'entry-certificate-not-portable'
  /** TDB-27 */
  | 'entry-key-mismatch'
  /** The same authority again (TDB-30). */
  | 'entry-repeated'
  /** TDB-34 */
  | 'entry-without-key-id'
  /** Both keys stay candidates (TDB-35). */
  | 'entry-key-id-shared'
  /** No entry was usable: the trust domain is untrusted (TDB-05). */
  | 'no-usable-keys'
  /** Zero or negative: as if absent (TDB-12). */
  | 'refresh-hint-ignored';

/** A remark about a bundle document: an entry was ignored, or used in spite of a defect. */
export interface BundleNote {
  readonly code: BundleNoteCode;
  /**
   * The entry's place in `keys`, from 0; absent where the note is about the whole document.
   * Messages count from 1.
   */
  readonly index?: number;
  readonly message: string;
  /** Set for notes that need an operator at once. */
  readonly grave?: true;
}
