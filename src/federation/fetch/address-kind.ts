import { BlockList, isIP } from 'node:net';
import { embeddedIpv4 } from './embedded-ipv4.ts';

/**
 * How far an address reaches: the whole network, an organisation's own, or this machine. `special`
 * are addresses without a bundle endpoint: unspecified, link-local and multicast ones, and those at
 * which clouds hand out credentials.
 */
export type AddressKind = 'public' | 'private' | 'loopback' | 'special';

/** Where clouds hand out credentials. */
const METADATA = [
  '169.254.169.254/32', // most of them
  '169.254.170.2/32', // AWS, containers
  '169.254.170.23/32', // AWS, pods
  '100.100.100.200/32', // Alibaba Cloud
  '168.63.129.16/32', // Azure
  '192.0.0.192/32', // Oracle Cloud, its first generation
  'fd00:ec2::/32', // AWS
  'fd20:ce::254/128', // Google Cloud
  'fd00:c1::a9fe:a9fe/128', // Oracle Cloud
  'fd00:42::42/128', // Scaleway
];
const SPECIAL = [
  '0.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '240.0.0.0/4',
  '::/128',
  'fe80::/10',
  'fec0::/10',
  'ff00::/8',
];
const LOOPBACK = ['127.0.0.0/8', '::1/128'];
const PRIVATE = [
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '192.0.0.0/24',
  '198.18.0.0/15',
  'fc00::/7',
  '64:ff9b:1::/48',
];

const metadata = listOf(METADATA);

/** Looked through in this order: a metadata address inside a private range is special. */
const LISTS: readonly (readonly [AddressKind, BlockList])[] = [
  ['special', listOf([...METADATA, ...SPECIAL])],
  ['loopback', listOf(LOOPBACK)],
  ['private', listOf(PRIVATE)],
];

/** Whether a cloud hands out credentials at an address, also where an IPv6 address leads to it. */
export function isMetadataAddress(address: string): boolean {
  return [address, ...embeddedIpv4(address)].some((each) => isIn(metadata, each));
}

/**
 * The kind of an IP address, also of an IPv4 address inside an IPv6 one (`embeddedIpv4`); anything
 * unreadable is `special`.
 */
export function addressKind(address: string): AddressKind {
  if (isIP(address) === 0 || address.includes('%')) return 'special';
  const all = [address, ...embeddedIpv4(address)];
  const found = LISTS.find(([, list]) => all.some((each) => isIn(list, each)));
  return found?.[0] ?? 'public';
}

/**
 * Whether a redirect may lead from an address of the kind `from` to one of the kind `to`: to a
 * public one, or to the same kind. So a public endpoint cannot make the agent connect to its own
 * machine or network, and no endpoint to a metadata service.
 */
export function redirectMayReach(from: AddressKind, to: AddressKind): boolean {
  return to === 'public' || (to === from && to !== 'special');
}

function isIn(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 4 ? 'ipv4' : 'ipv6');
}

function listOf(ranges: readonly string[]): BlockList {
  const list = new BlockList();
  for (const range of ranges) {
    const [base = '', bits] = range.split('/');
    list.addSubnet(base, Number(bits), isIP(base) === 4 ? 'ipv4' : 'ipv6');
  }
  return list;
}
