import { createHash } from 'node:crypto';
import type { TrustDomain } from '../../spiffe/index.ts';

const MAX_NAME_CHARACTERS = 63;

/**
 * Returns the name of our object for a trust domain: readable, a DNS label, and unique to that
 * trust domain. `within` separates the names of places that share one name space.
 */
export function ownedNameOf(trustDomain: TrustDomain, prefix: string, within = ''): string {
  const mark = createHash('sha256').update(`${within}${trustDomain}`).digest('hex').slice(0, 8);
  const room = MAX_NAME_CHARACTERS - prefix.length - mark.length - 1;
  const readable = trustDomain.replaceAll('.', '-').slice(0, Math.max(0, room)).replace(/-+$/, '');
  return `${prefix}${readable}-${mark}`;
}
