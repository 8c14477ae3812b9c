import type { BundleNote, BundleNoteCode, ParsedBundle } from '../../spiffe/index.ts';
import type { StateReason } from '../../store/index.ts';

/** Remarks about entries that are used all the same. */
const USED: ReadonlySet<BundleNoteCode> = new Set([
  'entry-surplus-certificates',
  'entry-key-id-shared',
  'entry-repeated',
]);

/** The notes about entries that were left out. */
export function leftOutNotes({ notes }: Pick<ParsedBundle, 'notes'>): readonly BundleNote[] {
  return notes.filter(({ index, code }) => index !== undefined && !USED.has(code));
}

/**
 * Whether an entry was left out, so that a missing key may be in it. Then the peer has not revoked
 * that key.
 */
export function hasUnusableEntries(parsed: Pick<ParsedBundle, 'notes'>): boolean {
  return leftOutNotes(parsed).length > 0;
}

/**
 * Why a document without a usable entry is probably not the peer's bundle. Undefined for a bundle
 * with keys, and for an empty one, which is a revocation (TDB-04, TDB-05). Pure.
 */
export function whyUnusable(parsed: ParsedBundle): StateReason | undefined {
  const { trustDomain, x509Authorities, jwtAuthorities } = parsed.bundle;
  const [first, ...others] = leftOutNotes(parsed);
  if (x509Authorities.length > 0 || jwtAuthorities.length > 0 || !first) return undefined;
  if ([first, ...others].every(({ code }) => code === 'entry-use-unknown')) {
    return {
      code: 'no-spiffe-keys',
      message: `no entry of this document is for SPIFFE SVIDs, that is with "use" x509-svid or jwt-svid: is this the OIDC keys URL? Until the endpoint of ${trustDomain} serves its bundle again, nothing of it is trusted`,
    };
  }
  return {
    code: 'no-usable-entries',
    message: `no entry of this document can be used (${first.message}): until the endpoint of ${trustDomain} serves its bundle again, nothing of it is trusted`,
  };
}
