import type { AgentConfig } from '../config/index.ts';
import type { TrustDomain } from '../spiffe/index.ts';

/** IDs of the networks in which we and a peer reach each other's workloads by their addresses. */
export function networksWith(
  { networks }: Pick<NonNullable<AgentConfig['services']>, 'networks'>,
  peer: TrustDomain,
): readonly string[] {
  return networks.filter(({ with: peers }) => peers.includes(peer)).map(({ id }) => id);
}
