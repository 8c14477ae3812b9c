import { isIP } from 'node:net';

/**
 * How many leading groups of 16 bits count as one address: a customer has at least a /64, an
 * organisation often a /48.
 */
export type AddressGroupSize = 64 | 48;

/**
 * The key under which limits per address count. An IPv4 address counts alone, also when written as
 * IPv6 (`::ffff:…`). An IPv6 address counts as its network, because a client with one has 2^64 of
 * them. Any other text counts as itself.
 */
export function addressGroup(address: string, size: AddressGroupSize = 64): string {
  const [bare = ''] = address.split('%');
  const mapped = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i.exec(bare)?.[1];
  if (mapped !== undefined) return mapped;
  if (isIP(bare) !== 6) return address;
  const [left = '', right] = bare.split('::');
  const leftGroups = groupsOf(left);
  const rightGroups = groupsOf(right ?? '');
  const zeros = right === undefined ? 0 : 8 - leftGroups.length - rightGroups.length;
  const groups = [...leftGroups, ...Array.from({ length: zeros }, () => 0), ...rightGroups];
  const network = groups.slice(0, size / 16).map((group) => group.toString(16));
  return `${network.join(':')}::/${size}`;
}

function groupsOf(text: string): number[] {
  if (text === '') return [];
  // An IPv4 address at the end takes the room of two groups, which are beyond any network here.
  return text.split(':').flatMap((group) => (group.includes('.') ? [0, 0] : [Number.parseInt(group, 16)]));
}
