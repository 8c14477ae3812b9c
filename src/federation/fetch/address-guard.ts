import { BlockList, isIP } from 'node:net';
import { isMetadataAddress } from './address-kind.ts';
import { embeddedIpv4 } from './embedded-ipv4.ts';

/** Gives the reason why an address is never connected to; nothing where it may be. */
export type AddressGuard = (address: string) => string | undefined;

/**
 * Refuses the ranges that the operator lists, in CIDR notation, and the addresses at which clouds
 * hand out credentials. An IPv6 address that leads to an IPv4 address counts as that one too.
 * Throws `RangeError` for what is not a range.
 */
export function createForbiddenRanges(ranges: readonly string[]): AddressGuard {
  const lists = ranges.map((range) => [range, listOf(range)] as const);
  return (text) => {
    const [address = ''] = text.split('%');
    if (isIP(address) === 0) return undefined;
    for (const each of [address, ...embeddedIpv4(address)]) {
      const family = isIP(each) === 6 ? 'ipv6' : 'ipv4';
      const found = lists.find(([, list]) => list.check(each, family));
      const by = each === address ? 'it' : `it leads to ${each}, which`;
      if (found) return `${by} lies in ${found[0]}, which this agent never asks`;
    }
    if (isMetadataAddress(address)) return 'a cloud hands out credentials there, and never a bundle';
    return undefined;
  };
}

/** The range as a list of its own. Throws `RangeError` for what is not a range in CIDR notation. */
function listOf(range: string): BlockList {
  const [base = '', bits = '', ...rest] = range.split('/');
  const family = isIP(base);
  const prefix = /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  if (family === 0 || rest.length > 0 || !(prefix <= (family === 4 ? 32 : 128)))
    throw new RangeError(`a range is an address and a prefix length, such as 10.0.0.0/8, not ${range}`);
  const list = new BlockList();
  list.addSubnet(base, prefix, family === 4 ? 'ipv4' : 'ipv6');
  return list;
}
