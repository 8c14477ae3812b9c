import { BlockList, isIP } from 'node:net';

/**
 * How far an address reaches: the whole network, an organisation's own, this machine; or `special`, where no bundle
 * endpoint is: unspecified, link-local and multicast addresses, and those at which clouds hand out credentials.
 */
export type AddressKind = 'public' | 'private' | 'loopback' | 'special';

const SPECIAL_V4 = [
  '0.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '100.100.100.200/32',
  '192.0.0.192/32',
];
const PRIVATE_V4 = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '192.0.0.0/24',
  '198.18.0.0/15',
];

/** Looked through in this order: a metadata address inside a private range is special. */
const LISTS: readonly (readonly [AddressKind, BlockList])[] = [
  ['special', listOf(SPECIAL_V4, ['::/128', 'fe80::/10', 'fec0::/10', 'ff00::/8', 'fd00:ec2::/32'])],
  ['loopback', listOf(['127.0.0.0/8'], ['::1/128'])],
  ['private', listOf(PRIVATE_V4, ['fc00::/7', '64:ff9b:1::/48'])],
];

/** The kind of an IP address, also of an IPv4 address inside an IPv6 one (mapped, NAT64, 6to4); anything unreadable is `special`. */
export function addressKind(address: string): AddressKind {
  const family = isIP(address);
  if (family === 0 || address.includes('%')) return 'special';
  const found = LISTS.find(([, list]) => list.check(address, family === 4 ? 'ipv4' : 'ipv6'));
  return found?.[0] ?? 'public';
}

/**
 * Whether a redirect may lead from a connection to an address of the kind `from` to one of the kind `to`: to a public one, or
 * to the same kind. So an endpoint out there cannot make us knock at our own machine or network, and nobody at a
 * metadata service.
 */
export function redirectMayReach(from: AddressKind, to: AddressKind): boolean {
  return to === 'public' || (to === from && to !== 'special');
}

function listOf(v4: readonly string[], v6: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of v4) {
    const [base = '', bits] = range.split('/');
    const prefix = Number(bits);
    list.addSubnet(base, prefix, 'ipv4'); // mapped addresses, ::ffff:a.b.c.d, are checked against these too
    list.addSubnet(`64:ff9b::${base}`, 96 + prefix, 'ipv6');
    const hex = Buffer.from(base.split('.').map(Number)).toString('hex');
    list.addSubnet(`2002:${hex.slice(0, 4)}:${hex.slice(4)}::`, 16 + prefix, 'ipv6');
  }
  for (const range of v6) {
    const [base = '', bits] = range.split('/');
    list.addSubnet(base, Number(bits), 'ipv6');
  }
  return list;
}
