import type { LeftOutDocument, RefreshDocument } from '../../admin/index.ts';
import type { RefreshOutcome } from '../../federation/index.ts';
import type { BundleNote, TrustDomain } from '../../spiffe/index.ts';

/** What a poll led to, in the form of the admin API. */
export function describeOutcome(
  trustDomain: TrustDomain,
  outcome: RefreshOutcome,
  notes: readonly BundleNote[] = [],
): RefreshDocument {
  const why =
    'code' in outcome ? { code: outcome.code, message: outcome.message } : { code: null, message: null };
  if (outcome.kind === 'called-off') {
    return {
      trust_domain: trustDomain,
      outcome: 'called-off',
      code: 'called-off',
      message: 'the relationship ended or the agent stops',
      left_out: [],
    };
  }
  return {
    trust_domain: trustDomain,
    outcome: outcome.kind,
    ...why,
    left_out: describeLeftOut(notes),
  };
}

/** The entries that are not used, in the form of the admin API. */
export function describeLeftOut(notes: readonly BundleNote[]): readonly LeftOutDocument[] {
  return notes.map(({ code, index = 0, message }) => ({ entry: index + 1, code, message }));
}
