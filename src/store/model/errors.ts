import { CodedError, type TrustDomain } from '../../spiffe/index.ts';

/**
 * Why the store refused or failed. Operators and tests rely on these codes.
 *
 * - `store-missing` there is no file, and the caller did not ask to create one
 * - `store-locked` another agent works on this store
 * - `store-newer` written by a newer version of Federate
 * - `store-older` opened for reading only, and no agent has converted it to the present shape yet
 * - `store-not-a-store` the file is something else
 * - `store-corrupt` the file is damaged
 * - `store-log-foreign` the write-ahead log next to the file continues another file: a backup
 *   replaced it
 * - `store-read-only` the file, its folder or its disk cannot be opened or written
 * - `store-full` no room left on the disk
 * - `store-replaced` the file or its log was removed or replaced while the agent runs
 * - `store-busy` another program keeps a write transaction open for longer than we wait
 * - `store-failed` the disk or the database failed in another way
 * - `store-engine-unusable` the native code of SQLite is missing, or is for another machine
 * - `store-closed` used after it was closed
 * - `relationship-exists` a relationship with this trust domain is already there
 * - `relationship-gone` the relationship that the row belongs to is not in the store, or no longer
 * - `import-name-taken` another import has this host name
 * - `invitation-exists` an invitation with this ID is already there, in this role
 * - `invitation-spent` the invitation behind a new relationship is no longer in a state that
 *   allows it
 * - `sequence-rolled-back` a version older than the held one, without a decision of the operator
 *   (FED-48)
 */
export type StoreErrorCode =
  | 'store-missing'
  | 'store-locked'
  | 'store-newer'
  | 'store-older'
  | 'store-not-a-store'
  | 'store-corrupt'
  | 'store-log-foreign'
  | 'store-read-only'
  | 'store-full'
  | 'store-replaced'
  | 'store-busy'
  | 'store-failed'
  | 'store-engine-unusable'
  | 'store-closed'
  | 'relationship-exists'
  | 'relationship-gone'
  | 'import-name-taken'
  | 'invitation-exists'
  | 'invitation-spent'
  | 'sequence-rolled-back';

/** The store refused or failed; what was written before stays as it was. */
export class StoreError extends CodedError<StoreErrorCode> {}

/** FED-48: a version older than the held one is refused unless the operator decides otherwise. */
export function rolledBack(
  trustDomain: TrustDomain,
  offered: bigint,
  held: bigint,
  what: 'bundle' | 'catalogue' = 'bundle',
): StoreError {
  return new StoreError(
    'sequence-rolled-back',
    `a ${what} of ${trustDomain} cannot go back in sequence: held is ${held}, offered was ${offered}`,
  );
}

/** One relationship per trust domain. */
export function relationshipExists(trustDomain: TrustDomain): StoreError {
  return new StoreError('relationship-exists', `a relationship with ${trustDomain} is already in the store`);
}

/** What belongs to a relationship cannot be stored without it. */
export function relationshipGone(trustDomain: TrustDomain): StoreError {
  return new StoreError('relationship-gone', `there is no relationship with ${trustDomain} in the store`);
}

/** One import per host name. */
export function importNameTaken(name: string): StoreError {
  return new StoreError('import-name-taken', `another import has the name ${name}`);
}

/** One invitation per ID and role. */
export function invitationExists(id: string): StoreError {
  return new StoreError('invitation-exists', `the invitation ${id} is already in the store`);
}

/** Another write used the invitation first: an invitation is good for one relationship. */
export function invitationSpent(id: string): StoreError {
  return new StoreError('invitation-spent', `the invitation ${id} is no longer open for this`);
}
