/**
 * Where to dial after a follower has named the leader. What it names is the leader's address among
 * servers, with the port of their own RPC (8300), not the one peers are served at; so an address
 * that is `known` as such goes first: the same, one of the same host, any that was not `tried`; and
 * what was named itself where nothing else is left.
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
