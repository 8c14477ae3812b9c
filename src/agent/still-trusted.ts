import type { WarningDocument } from '../admin/index.ts';
import type { Federation } from '../federation/index.ts';
import type { ForeignTrust } from './foreign-trust.ts';

/**
 * Warns of trust that the mesh still holds although none of it counts: of a former peer, or of a
 * stale one.
 */
export function stillTrusted(foreignTrust: ForeignTrust, federation: Federation): readonly WarningDocument[] {
  return foreignTrust
    .list()
    .filter(({ trustDomain }) => federation.bundles.bundleFor(trustDomain) === undefined)
    .map(({ trustDomain, message, at }) => {
      const why = federation.peers.find(trustDomain)
        ? 'although nothing of it counts now'
        : 'although it is no longer a peer';
      const finding = `the mesh may still trust ${trustDomain}, ${why}`;
      return {
        trust_domain: trustDomain,
        code: 'mesh-still-trusts',
        message: message === undefined ? finding : `${finding}: ${message}`,
        since: at.toISOString(),
      };
    });
}
