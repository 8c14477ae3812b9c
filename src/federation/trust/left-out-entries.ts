import type { BundleNote, BundleNoteCode, TrustDomain } from '../../spiffe/index.ts';

/** What of a peer's latest document is not used, and since when it has been so. */
export interface LeftOut {
  readonly trustDomain: TrustDomain;
  readonly since: Date;
  /** One note for each entry, in the order of the document. */
  readonly notes: readonly BundleNote[];
}

/** Notes on entries that count, or that count once. */
const USED: ReadonlySet<BundleNoteCode> = new Set([
  'entry-surplus-certificates',
  'entry-repeated',
  'entry-key-id-shared',
]);

/**
 * Entries that every reader must ignore by the standard: they are for other uses, or for later
 * versions.
 */
const FOR_OTHERS: ReadonlySet<BundleNoteCode> = new Set(['entry-use-unknown', 'entry-key-type-unknown']);

/**
 * The entries of peers' bundles that are not used, by the document that each peer served last. Kept
 * in memory, because the first poll after a start finds them again.
 */
export class LeftOutEntries {
  readonly #latest = new Map<TrustDomain, LeftOut>();

  /** Stores the notes of a document whose content is held now. */
  note(trustDomain: TrustDomain, notes: readonly BundleNote[], at: Date): void {
    const left = notes.filter(({ code, index }) => index !== undefined && !USED.has(code));
    if (left.length === 0) {
      this.#latest.delete(trustDomain);
      return;
    }
    const before = this.#latest.get(trustDomain);
    const same = before !== undefined && textOf(before.notes) === textOf(left);
    this.#latest.set(trustDomain, { trustDomain, notes: left, since: same ? before.since : at });
  }

  forget(trustDomain: TrustDomain): void {
    this.#latest.delete(trustDomain);
  }

  /** The entries of one peer that are not used. */
  of(trustDomain: TrustDomain): readonly BundleNote[] {
    return this.#latest.get(trustDomain)?.notes ?? [];
  }

  /** What an operator should know: entries that were meant for us, and that we could not take. */
  list(): readonly LeftOut[] {
    return [...this.#latest.values()].flatMap(({ notes, ...rest }) => {
      const meant = notes.filter(({ code }) => !FOR_OTHERS.has(code));
      return meant.length === 0 ? [] : [{ ...rest, notes: meant }];
    });
  }
}

function textOf(notes: readonly BundleNote[]): string {
  return notes.map(({ code, index }) => `${code} ${index}`).join(' ');
}
