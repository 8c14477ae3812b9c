import { isIP } from 'node:net';

/**
 * The IPv4 addresses to which a packet for an IPv6 address may be delivered, by the forms in which
 * one is written into the other: mapped and compatible (RFC 4291), translated (RFC 2765), NAT64
 * (RFC 6052, RFC 8215), 6to4 (RFC 3056), Teredo (RFC 4380: its server and its client) and ISATAP
 * (RFC 5214). Empty for an address without one.
 */
export function embeddedIpv4(address: string): readonly string[] {
  const bytes = ipv6Bytes(address);
  if (!bytes) return [];
  const at = (...places: readonly number[]) => places.map((place) => bytes[place] ?? 0).join('.');
  const starts = (...prefix: readonly number[]) => prefix.every((byte, place) => bytes[place] === byte);
  const zeros = (from: number, to: number) => bytes.subarray(from, to).every((byte) => byte === 0);
  const last = at(12, 13, 14, 15);
  if (zeros(0, 10) && bytes[10] === 0xff && bytes[11] === 0xff) return [last];
  if (zeros(0, 8) && bytes[8] === 0xff && bytes[9] === 0xff && zeros(10, 12)) return [last];
  // The unspecified address and the loopback are not compatible addresses.
  if (zeros(0, 12)) return zeros(12, 15) && (bytes[15] ?? 0) <= 1 ? [] : [last];
  if (starts(0x00, 0x64, 0xff, 0x9b) && zeros(4, 12)) return [last];
  if (starts(0x00, 0x64, 0xff, 0x9b, 0x00, 0x01)) return localNat64(bytes, at);
  if (starts(0x20, 0x02)) return [at(2, 3, 4, 5)];
  if (starts(0x20, 0x01, 0x00, 0x00))
    return [at(4, 5, 6, 7), at(12, 13, 14, 15).split('.').map(inverted).join('.')];
  const isIsatap =
    ((bytes[8] ?? 0) & 0xfd) === 0 && bytes[9] === 0 && bytes[10] === 0x5e && bytes[11] === 0xfe;
  return isIsatap ? [last] : [];
}

/**
 * Of 64:ff9b:1::/48 an operator may use any part as prefix: every place that leaves only zeros
 * behind the address (RFC 6052 §2.2).
 */
function localNat64(bytes: Uint8Array, at: (...places: readonly number[]) => string): string[] {
  const forms = [
    { places: [6, 7, 9, 10], end: 11 },
    { places: [7, 9, 10, 11], end: 12 },
    { places: [9, 10, 11, 12], end: 13 },
    { places: [12, 13, 14, 15], end: 16 },
  ];
  return forms
    .filter(({ end }) => bytes.subarray(end).every((byte) => byte === 0))
    .map(({ places }) => at(...places))
    .filter((ipv4) => ipv4 !== '0.0.0.0');
}

function inverted(byte: string): string {
  return (Number(byte) ^ 0xff).toString();
}

/** The sixteen bytes of an IPv6 address, without its zone; undefined for anything else. */
function ipv6Bytes(address: string): Uint8Array | undefined {
  const [text = ''] = address.split('%');
  if (isIP(text) !== 6) return undefined;
  const [head = '', tail] = withoutDots(text).split('::');
  const groups = (part: string) =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const [before, after] = [groups(head), groups(tail ?? '')];
  const gap = tail === undefined ? 0 : 8 - before.length - after.length;
  const words = [...before, ...Array.from({ length: gap }, () => 0), ...after];
  return Uint8Array.from(words.flatMap((word) => [word >> 8, word & 0xff]));
}

/** `::ffff:1.2.3.4` as `::ffff:102:304`. */
function withoutDots(text: string): string {
  const end = text.lastIndexOf(':') + 1;
  const dotted = text.slice(end);
  if (!dotted.includes('.')) return text;
  const [a = 0, b = 0, c = 0, d = 0] = dotted.split('.').map(Number);
  return `${text.slice(0, end)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}
