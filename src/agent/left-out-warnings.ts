import type { WarningDocument } from '../admin/index.ts';
import type { LeftOut } from '../federation/index.ts';

const MOST_SHOWN = 5;

/**
 * Warns of entries of peers' bundles that are not used: at the peer's next rotation its identities
 * would be refused here.
 */
export function leftOutWarnings(found: readonly LeftOut[]): readonly WarningDocument[] {
  return found.map(({ trustDomain, notes, since }) => {
    const shown = notes.slice(0, MOST_SHOWN).map(({ message }) => message);
    const more = notes.length > shown.length ? [`and ${notes.length - shown.length} more`] : [];
    const count = notes.length === 1 ? '1 entry' : `${notes.length} entries`;
    return {
      trust_domain: trustDomain,
      code: 'bundle-entries-not-used',
      message: `${count} of the bundle of ${trustDomain} ${notes.length === 1 ? 'is' : 'are'} not used: ${[...shown, ...more].join('; ')}`,
      since: since.toISOString(),
    };
  });
}
