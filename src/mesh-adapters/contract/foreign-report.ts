import { contentDigest } from '../../spiffe/index.ts';
import type { Admission } from './admission.ts';
import type { ForeignTrustReport } from './mesh-adapter.ts';
import type { PropagationState } from './propagation-state.ts';

/**
 * The report of one admission: its refusal, or the state it came to with the first thing worth
 * knowing about it.
 */
export function reportOf(
  admission: Admission,
  state: PropagationState,
  at: Date,
  notes: readonly { readonly code: string; readonly message: string }[] = [],
): ForeignTrustReport {
  const { bundle, refusal } = admission;
  const [note] = refusal ? [refusal] : [...notes, ...admission.notes];
  return {
    trustDomain: bundle.trustDomain,
    state: refusal ? 'refused' : state,
    digest: contentDigest(bundle),
    ...(note && { code: note.code, message: note.message }),
    at,
  };
}
