import type { TrustDomain } from '../../spiffe/index.ts';
import type { ServiceId } from '../service/service.ts';
import type { Catalogue, CatalogueContent, OfferedService } from './catalogue.ts';
import type { CatalogueErrorCode } from './errors.ts';
import { catalogueContent } from './write-catalogue.ts';

/** Why a catalogue waits for an operator. */
export type CatalogueSuspicion =
  /** An imported service names an identity that it did not name before. */
  | 'identity-change'
  /** A port of an imported service speaks another protocol. */
  | 'protocol-change'
  /** An imported service has its first `tcp` port: no rule about methods and paths reaches it. */
  | 'first-tcp'
  /** More than half of the list is gone at once, and an imported service with it. */
  | 'mass-withdrawal';

export interface SuspiciousChange {
  readonly code: CatalogueSuspicion;
  /** Absent where the change is about the whole list. */
  readonly service?: ServiceId;
  readonly message: string;
}

/** What becomes of an offered catalogue. */
export type CatalogueVerdict =
  /** The same content: at most its end is later. */
  | { readonly verdict: 'unchanged' }
  | { readonly verdict: 'accepted' }
  | { readonly verdict: 'quarantined'; readonly changes: readonly SuspiciousChange[] }
  | { readonly verdict: 'refused'; readonly code: CatalogueErrorCode; readonly message: string };

/** What is known before an offered catalogue is judged. */
export interface CatalogueContext {
  /** The last one that was accepted, also where its time is over. */
  readonly held: (CatalogueContent & Pick<Catalogue, 'sequence'>) | undefined;
  /** Every service that we import from this peer, as it was when it was accepted last. */
  readonly imported: readonly Pick<OfferedService, 'id' | 'spiffeIds' | 'ports'>[];
  /** Whose SNI this is, of all but this peer; undefined where no peer has it. */
  readonly sniOwner: (sni: string) => TrustDomain | undefined;
  readonly now: Date;
}

/** With fewer services a list that shrinks to nothing is everyday work. */
const MASS_FROM = 3;

/**
 * Judges a catalogue that was read and is signed by its owner. Refuses an old one and one with an
 * SNI of another owner. A change that could lead our callers to another workload, or take away most
 * of what they use, waits for an operator. That concerns imported services only.
 */
export function judgeCatalogue(offered: Catalogue, context: CatalogueContext): CatalogueVerdict {
  const { held, imported, now } = context;
  const { trustDomain, sequence, expiresAt } = offered;
  if (now >= expiresAt)
    return refused(
      'catalogue-expired',
      `the catalogue of ${trustDomain} ended at ${expiresAt.toISOString()}`,
    );
  if (held && sequence < held.sequence)
    return refused(
      'catalogue-replayed',
      `the catalogue of ${trustDomain} has sequence ${sequence}, and ${held.sequence} is held`,
    );
  const isSame = held !== undefined && catalogueContent(held) === catalogueContent(offered);
  if (held && sequence === held.sequence && !isSame)
    return refused(
      'catalogue-replayed',
      `the catalogue of ${trustDomain} has other content under the held sequence ${sequence}`,
    );
  const taken = offered.services
    .flatMap(({ id, ports }) => ports.map(({ sni }) => ({ id, sni, owner: context.sniOwner(sni) })))
    .find(({ owner }) => owner !== undefined);
  if (taken)
    return refused(
      'catalogue-sni-taken',
      `${trustDomain} offers ${taken.id} under the SNI ${taken.sni}, which is one of ${taken.owner}`,
    );
  if (isSame) return { verdict: 'unchanged' };
  const changes = [
    ...imported.flatMap((before) => {
      const after = offered.services.find(({ id }) => id === before.id);
      return after ? suspiciousChangesOf(before, after) : [];
    }),
    ...massWithdrawal(offered, context),
  ];
  return changes.length > 0 ? { verdict: 'quarantined', changes } : { verdict: 'accepted' };
}

/** Fewer identities never wait: until the change is applied, a removed one would still be trusted. */
function suspiciousChangesOf(
  before: CatalogueContext['imported'][number],
  { id, spiffeIds, ports }: OfferedService,
): readonly SuspiciousChange[] {
  const changes: SuspiciousChange[] = [];
  const added = spiffeIds.filter((each) => !before.spiffeIds.includes(each));
  if (added.length > 0)
    changes.push({
      code: 'identity-change',
      service: id,
      message: `${id} is now also ${listed(added)}; it was ${listed(before.spiffeIds)}`,
    });
  for (const { name, protocol } of ports) {
    const old = before.ports.find((port) => port.name === name);
    if (old && old.protocol !== protocol)
      changes.push({
        code: 'protocol-change',
        service: id,
        message: `the port ${name} of ${id} spoke ${old.protocol} and now speaks ${protocol}`,
      });
  }
  const isTcp = ({ protocol }: { readonly protocol: string }) => protocol === 'tcp';
  const tcp = before.ports.some(isTcp) ? undefined : ports.find(isTcp);
  if (tcp)
    changes.push({
      code: 'first-tcp',
      service: id,
      message: `${id} had no tcp port and now has the port ${tcp.name}, to which no rule on methods and paths applies`,
    });
  return changes;
}

/** A service that its owner announced as `draining` before does not count: its end was expected. */
function massWithdrawal(
  offered: Catalogue,
  { held, imported }: CatalogueContext,
): readonly SuspiciousChange[] {
  const before = held?.services.filter(({ state }) => state !== 'draining') ?? [];
  const still = new Set(offered.services.map(({ id }) => id));
  const gone = before.filter(({ id }) => !still.has(id));
  const isUsed = gone.some(({ id }) => imported.some((each) => each.id === id));
  if (before.length < MASS_FROM || gone.length * 2 <= before.length || !isUsed) return [];
  return [
    {
      code: 'mass-withdrawal',
      message: `${gone.length} of ${before.length} services are gone at once: ${listed(gone.map(({ id }) => id))}`,
    },
  ];
}

function listed(texts: readonly string[]): string {
  const shown = texts.slice(0, 5).join(', ');
  return texts.length > 5 ? `${shown} and ${texts.length - 5} more` : shown;
}

function refused(code: CatalogueErrorCode, message: string): CatalogueVerdict {
  return { verdict: 'refused', code, message };
}
