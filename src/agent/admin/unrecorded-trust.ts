import { describeAuthority, type HandlersOf, type unrecordedTrustRoutes } from '../../admin/index.ts';
import { parseTrustDomain } from '../../spiffe/index.ts';
import type { ForeignTrust } from '../foreign-trust.ts';
import { describeRemoval } from './describe-report.ts';

/** Shows and drops trust in the mesh that the store has no record of. */
export function unrecordedTrustHandlers(
  foreignTrust: Pick<ForeignTrust, 'dropUnrecorded' | 'unrecorded'>,
): HandlersOf<keyof typeof unrecordedTrustRoutes> {
  return {
    'GET /v1/unrecorded-trust': () =>
      foreignTrust.unrecorded.list().map(({ trustDomain, roots, where, since }) => ({
        trust_domain: trustDomain,
        where,
        since: since.toISOString(),
        roots: roots?.map(describeAuthority) ?? null,
      })),
    'DELETE /v1/unrecorded-trust/{trust_domain}': async ({ params, actor }) => {
      const trustDomain = parseTrustDomain(params.trust_domain);
      return {
        trust_domain: trustDomain,
        removed: true,
        ...describeRemoval(await foreignTrust.dropUnrecorded(trustDomain, actor)),
      };
    },
  };
}
