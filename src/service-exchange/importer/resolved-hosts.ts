import { isIP } from 'node:net';
import type { HostLookup } from '../../federation/index.ts';
import { type Catalogue, CatalogueError } from '../../services/index.ts';
import type { HostRule } from './host-rule.ts';

/**
 * Checks the addresses of gateways that a catalogue names by host name. A name that cannot be
 * resolved here passes, because the mesh may use other name servers. Rejects with `CatalogueError`
 * `catalogue-forbidden-address`.
 */
export async function checkResolvedHosts(
  { gateways, trustDomain }: Pick<Catalogue, 'gateways' | 'trustDomain'>,
  refuseHost: HostRule,
  lookup: HostLookup,
  signal: AbortSignal,
): Promise<void> {
  const names = [...new Set(gateways.map(({ host }) => host))].filter((host) => isIP(host) === 0);
  const checks = names.map(async (name) => {
    const addresses = await lookup(name, signal).catch((): readonly string[] => []);
    for (const address of addresses) {
      const reason = refuseHost(address);
      if (reason !== undefined)
        throw new CatalogueError(
          'catalogue-forbidden-address',
          `a gateway of ${trustDomain} is at "${name}", which leads to ${address}: ${reason}`,
        );
    }
  });
  await Promise.all(checks);
}
