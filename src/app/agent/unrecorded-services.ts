import { describeAuthority, type UnrecordedServices } from '../../dashboard/index.ts';
import { describeRemoval } from './describe-report.ts';
import type { ForeignTrust } from './foreign-trust.ts';

/** What the admin API can ask about trust in the mesh that the store has no record of. */
export function createUnrecordedServices(foreignTrust: ForeignTrust): UnrecordedServices {
  return {
    unrecordedTrust: () =>
      foreignTrust.unrecorded.list().map(({ trustDomain, roots, where, since }) => ({
        trust_domain: trustDomain,
        where,
        since: since.toISOString(),
        roots: roots?.map(describeAuthority) ?? null,
      })),
    dropUnrecordedTrust: async (trustDomain, actor) =>
      describeRemoval(await foreignTrust.dropUnrecorded(trustDomain, actor)),
  };
}
