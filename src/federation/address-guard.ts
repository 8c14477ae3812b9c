import { BlockList, isIP } from 'node:net';

/** Says why an address is never connected to; nothing where it may be. */
export type AddressGuard = (address: string) => string | undefined;

/** Refuses the ranges that the operator lists, in CIDR notation. Throws `RangeError` for what is no range. */
export function createForbiddenRanges(ranges: readonly string[]): AddressGuard {
  const lists = ranges.map((range) => [range, listOf(range)] as const);
  return (address) => {
    const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
    const found = lists.find(([, list]) => isIP(address) !== 0 && list.check(address, family));
    return found && `it lies in ${found[0]}, which this agent never asks`;
  };
}

/** The range as a list of its own. Throws `RangeError` for what is no range in CIDR notation. */
function listOf(range: string): BlockList {
  const [base = '', bits = '', ...rest] = range.split('/');
  const family = isIP(base);
  const prefix = /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  if (family === 0 || rest.length > 0 || !(prefix <= (family === 4 ? 32 : 128)))
    throw new RangeError(`a range is an address and a prefix length, such as 10.0.0.0/8, not ${range}`);
  const list = new BlockList();
  // An IPv4 range also holds its addresses in their mapped form, ::ffff:a.b.c.d.
  list.addSubnet(base, prefix, family === 4 ? 'ipv4' : 'ipv6');
  return list;
}
