/**
 * How far something came that we give to a mesh. `written`: into its configuration. `accepted`: by
 * its control plane. `in-effect`: at its proxies. `refused`: by us or by the mesh. `failed`: it is
 * tried again. `removed`: see rule 8.
 */
export type PropagationState =
  | 'pending'
  | 'written'
  | 'accepted'
  | 'in-effect'
  | 'refused'
  | 'failed'
  | 'removed';
