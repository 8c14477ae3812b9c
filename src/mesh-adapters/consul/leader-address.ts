/** A server that is not the leader names the leader. */
export class LeaderElsewhere extends Error {
  readonly address: string;

  constructor(address: string) {
    super(`the leader is ${address}`);
    this.address = address;
  }
}

/**
 * Chooses the address to dial after a follower has named the leader. A follower names the leader's
 * address among servers with their RPC port (8300), not the port for peers. Addresses that are
 * `known` for peers therefore come first: the same address, one of the same host, then any that was
 * not `tried`. The named address itself is the last choice.
 */
export function addressOfLeader(named: string, known: readonly string[], tried: ReadonlySet<string>): string {
  const open = known.filter((address) => !tried.has(address));
  if (open.includes(named)) return named;
  const host = hostOf(named);
  return open.find((address) => hostOf(address) === host) ?? open[0] ?? named;
}

function hostOf(address: string): string {
  return address.slice(0, address.lastIndexOf(':'));
}
