import type { WarningDocument } from '../admin/index.ts';
import type { ImportDesk, ServiceImporter } from '../service-exchange/index.ts';

/**
 * The warnings about imports: a list that waits or is too old, a name or an SNI that is taken, an
 * import of the config that cannot be made. Pure.
 */
export function importWarnings(
  { book, held }: Pick<ServiceImporter, 'book' | 'held'>,
  desk: Pick<ImportDesk, 'waiting' | 'conflicts'>,
  now: Date,
): readonly WarningDocument[] {
  const waiting = desk
    .waiting()
    .filter(({ status }) => status === 'waiting')
    .map(({ catalogue, changes, since }) => ({
      trust_domain: catalogue.trustDomain,
      code: 'services-wait' as const,
      message: `a list of services of ${catalogue.trustDomain} waits for your decision: ${changes.map(({ message, code }) => `${message} [${code}]`).join('; ')}`,
      since: since.toISOString(),
    }));
  const stale = held.list().flatMap(([trustDomain, catalogue]) => {
    const end = book.usableUntil(catalogue);
    const isUsed = book.list().some(({ row }) => row.trustDomain === trustDomain);
    if (end > now || !isUsed) return [];
    return [
      {
        trust_domain: trustDomain,
        code: 'services-stale' as const,
        message: `the list of services of ${trustDomain} is too old: its imports are not used until a newer one comes`,
        since: end.toISOString(),
      },
    ];
  });
  const conflicts = book
    .list()
    .filter(({ row }) => row.state === 'conflict')
    .map(({ row }) => ({
      trust_domain: row.trustDomain,
      code: 'import-conflict' as const,
      message: `${row.name} is not used: ${row.reason?.message ?? 'its name is taken'}`,
      since: row.since.toISOString(),
    }));
  const declared = desk.conflicts.map(({ request, message, code, since }) => ({
    trust_domain: request.from,
    code: 'import-conflict' as const,
    message: `services.imports has ${request.service} of ${request.from}, which cannot be imported: ${message} [${code}]`,
    since: since.toISOString(),
  }));
  return [...waiting, ...stale, ...conflicts, ...declared];
}
