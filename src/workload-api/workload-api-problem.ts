/** Why a Workload API sends nothing now. */
export interface WorkloadApiProblem {
  /**
   * `permission-denied`: it has no identity for us, or no longer · `refused`: it will never answer,
   * and is not asked again · `unavailable`: it does not answer now · `message-malformed`: its last
   * message cannot be used.
   */
  readonly code: 'permission-denied' | 'refused' | 'unavailable' | 'message-malformed';
  readonly message: string;
}
