import { BlockList, isIP } from 'node:net';
import { type AddressGuard, addressKind, createForbiddenRanges } from '../../federation/index.ts';
import { isClusterName, isHostName, isLocalName } from '../../services/index.ts';

export interface HostRuleOptions {
  /** Ranges of loopback or private networks in which gateways of peers may be, in CIDR notation. */
  readonly allowedRanges: readonly string[];
  /** The addresses that the agent itself never connects to. */
  readonly guard?: AddressGuard | undefined;
  /** The networks that we share with peers. A direct address of one of them may be private. */
  readonly networks: readonly string[];
}

/** Gives the reason why our proxies may not connect to a host at a peer's word; nothing where they may. */
export type HostRule = (host: string, network?: string) => string | undefined;

/**
 * Judges where a peer may send our proxies: to public addresses, to ranges that the operator allows,
 * and to private addresses of a shared network. Never to this machine, to a link, or to where clouds
 * hand out credentials. A host name is judged by its form only; `checkResolved` judges its addresses.
 * Throws `RangeError` for what is not a range.
 */
export function createHostRule({ allowedRanges, guard, networks }: HostRuleOptions): HostRule {
  const inAllowed = listOf(allowedRanges);
  const forbidden = guard ?? createForbiddenRanges([]);
  return (host, network) => {
    const family = isIP(host);
    if (family === 0) return reasonOfName(host);
    if (host.includes('%')) return 'it is an address of one link of the owner';
    const kind = addressKind(host);
    const reason = forbidden(host);
    if (reason !== undefined) return reason;
    if (inAllowed.check(host, family === 6 ? 'ipv6' : 'ipv4')) return undefined;
    if (kind === 'public') return undefined;
    if (kind === 'private') {
      if (network !== undefined && networks.includes(network)) return undefined;
      return 'it is a private address, and services.allowed_gateway_ranges does not list it';
    }
    return kind === 'loopback' ? 'it is this machine' : 'it is an address without a gateway';
  };
}

function reasonOfName(host: string): string | undefined {
  if (!isHostName(host)) return 'it is neither an IP address nor a full host name in lower case';
  if (isLocalName(host) || isClusterName(host)) return 'it is a name of a local network or a cluster';
  return undefined;
}

function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [base = '', bits] = range.split('/');
    if (isIP(base) === 0 || bits === undefined)
      throw new RangeError(`a range is an address and a prefix length, such as 10.0.0.0/8, not ${range}`);
    list.addSubnet(base, Number(bits), isIP(base) === 6 ? 'ipv6' : 'ipv4');
  }
  return list;
}
