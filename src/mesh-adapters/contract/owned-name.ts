import { createHash } from 'node:crypto';

const MAX_NAME_CHARACTERS = 63;

/**
 * Returns the name of our object for a trust domain or a host name: readable, a DNS label, and
 * unique to that name. `within` separates the names of places that share one name space.
 */
export function ownedNameOf(name: string, prefix: string, within = ''): string {
  const mark = createHash('sha256').update(`${within}${name}`).digest('hex').slice(0, 8);
  const room = MAX_NAME_CHARACTERS - prefix.length - mark.length - 1;
  const readable = name.replaceAll('.', '-').slice(0, Math.max(0, room)).replace(/-+$/, '');
  return `${prefix}${readable}-${mark}`;
}
