import { defined } from '../../objects/index.ts';
import type { HostLookup } from '../../federation/index.ts';
import { type Clock, formatDurationMs, type Log } from '../../platform/index.ts';
import type { BundleSource, TrustDomain } from '../../spiffe/index.ts';
import {
  type Catalogue,
  catalogueContent,
  type CatalogueContext,
  CatalogueError,
  type CatalogueErrorCode,
  type CatalogueReading,
  judgeCatalogue,
  type SuspiciousChange,
} from '../../services/index.ts';
import {
  catalogueDigest,
  type IncidentKind,
  type Relationship,
  type Store,
  StoreError,
} from '../../store/index.ts';
import { ChangeLimit } from './change-limit.ts';
import type { HeldCatalogues } from './held-catalogues.ts';
import type { PendingCatalogues } from './pending-catalogues.ts';
import { proveCatalogue } from './prove-catalogue.ts';
import { checkResolvedHosts } from './resolved-hosts.ts';

/** The outcome for a catalogue that a peer gave us. */
export type TakeOutcome =
  | { readonly kind: 'unchanged' | 'accepted' }
  | { readonly kind: 'waiting' | 'rejected'; readonly changes: readonly SuspiciousChange[] }
  | {
      readonly kind: 'refused';
      readonly code: CatalogueErrorCode;
      readonly message: string;
      /** For one that came too early: how long it has to wait. */
      readonly waitMs?: number;
    };

/** Who decides about a waiting catalogue, and why. */
export interface Decision {
  readonly actor: string;
  readonly reason: string;
}

/** Where a peer may send our proxies. */
export type HostRules = Pick<CatalogueReading, 'refuseHost' | 'sharesNetwork'>;

export interface CatalogueDeskParts {
  readonly store: Store;
  readonly held: HeldCatalogues;
  readonly pending: PendingCatalogues;
  readonly own: () => TrustDomain | undefined;
  readonly bundles: BundleSource;
  readonly rulesFor: (peer: TrustDomain) => HostRules;
  readonly lookup: HostLookup;
  /** What is imported from a peer, as it was accepted last. */
  readonly importedFrom: (trustDomain: TrustDomain) => CatalogueContext['imported'];
  /** Whose SNI this is, of all but this peer. */
  readonly sniOwner: (sni: string, peer: TrustDomain) => TrustDomain | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

const INCIDENTS = [
  'catalogue-refused',
  'catalogue-quarantined',
  'catalogue-flapping',
  'catalogue-stale',
] as const;
/** The code of a version that the operator rejected. */
const REJECTED = 'catalogue-rejected';
/** How far back rejections are looked up. */
const VERSIONS = 100;

/**
 * Proves, judges and records each catalogue that a peer gives us. Only an accepted one changes what
 * counts. A refusal that repeats is one incident, which is counted.
 */
export class CatalogueDesk {
  readonly #parts: CatalogueDeskParts;
  readonly #limit: ChangeLimit;

  constructor(parts: CatalogueDeskParts) {
    this.#parts = parts;
    this.#limit = new ChangeLimit(parts.clock);
  }

  /** Takes the answer of a peer's endpoint. Rejects with `StoreError` only. */
  async take(relationship: Relationship, token: string, signal: AbortSignal): Promise<TakeOutcome> {
    const { own, bundles, rulesFor, lookup, clock } = this.#parts;
    const ownTrustDomain = own();
    if (ownTrustDomain === undefined)
      return {
        kind: 'refused',
        code: 'catalogue-other-audience',
        message: 'our own trust domain is not known yet',
      };
    const rules = rulesFor(relationship.trustDomain);
    let catalogue: Catalogue | undefined;
    try {
      const proof = { own: ownTrustDomain, bundles, now: clock.now(), ...rules };
      catalogue = await proveCatalogue(relationship, token, proof);
      await checkResolvedHosts(catalogue, rules.refuseHost, lookup, signal);
      return await this.#judge(relationship, catalogue);
    } catch (error) {
      if (!(error instanceof CatalogueError)) throw error;
      return this.#refuse(relationship, error, catalogue);
    }
  }

  /** Refuses an answer that was too large to be read. Rejects with `StoreError`. */
  refuseUnread(relationship: Relationship, message: string): Promise<TakeOutcome> {
    return this.#refuse(relationship, new CatalogueError('catalogue-too-large', message), undefined);
  }

  /** Makes the waiting catalogue count, because the operator accepts it. Rejects with `StoreError`. */
  async accept(relationship: Relationship, catalogue: Catalogue, by: Decision): Promise<void> {
    await this.#hold(relationship, catalogue, by);
  }

  /** Keeps a content out for good. Rejects with `StoreError`. */
  async reject(catalogue: Catalogue, digest: string, { actor, reason }: Decision): Promise<void> {
    const { store, clock } = this.#parts;
    const { trustDomain, sequence } = catalogue;
    const at = clock.now();
    const message = `the operator rejected the list of ${trustDomain} with digest sha256:${digest.slice(0, 12)}: ${reason}`;
    await store.recordCatalogueNotHeld({
      at,
      trustDomain,
      verdict: 'refused',
      sequence,
      digest,
      reason: { code: REJECTED, message },
    });
    await store.recordEvent({
      at,
      kind: 'catalogue-refused',
      trustDomain,
      actor,
      code: REJECTED,
      message,
      detail: { digest },
    });
    await this.#end(trustDomain, ['catalogue-quarantined']);
  }

  /** The relationship is over. */
  forget(trustDomain: TrustDomain): void {
    this.#limit.forget(trustDomain);
  }

  async #judge(relationship: Relationship, catalogue: Catalogue): Promise<TakeOutcome> {
    const { held, pending, clock, importedFrom, sniOwner } = this.#parts;
    const { trustDomain } = relationship;
    const before = held.of(trustDomain);
    const verdict = judgeCatalogue(catalogue, {
      held: before,
      imported: importedFrom(trustDomain),
      sniOwner: (sni) => sniOwner(sni, trustDomain),
      now: clock.now(),
    });
    switch (verdict.verdict) {
      case 'refused':
        throw new CatalogueError(verdict.code, verdict.message);
      case 'quarantined':
        return this.#quarantine(relationship, catalogue, verdict.changes);
      case 'accepted': {
        const waitMs = this.#limit.take(trustDomain, before, catalogue);
        if (waitMs > 0) return this.#refuseFlapping(relationship, catalogue, waitMs);
        break;
      }
      case 'unchanged':
        break;
    }
    pending.drop(trustDomain);
    await this.#hold(relationship, catalogue);
    return { kind: verdict.verdict };
  }

  /** Writes the catalogue that counts, then swaps it in memory. */
  async #hold(relationship: Relationship, catalogue: Catalogue, by?: Decision): Promise<void> {
    const { store, held, clock, log } = this.#parts;
    const { trustDomain, sequence, expiresAt, gateways, services } = catalogue;
    const receivedAt = clock.now();
    const document = catalogueContent(catalogue);
    const before = held.of(trustDomain);
    const digest = catalogueDigest(document);
    // An earlier statement about the same content does not shorten its time.
    const isSame = before?.digest === digest;
    const ends = isSame && before.expiresAt > expiresAt ? before.expiresAt : expiresAt;
    const isNew = await store.holdCatalogue(
      { trustDomain, sequence, document, receivedAt, expiresAt: ends },
      by === undefined ? 'accepted' : 'operator',
      {
        at: receivedAt,
        kind: 'catalogue-accepted',
        trustDomain,
        actor: by?.actor ?? 'agent',
        message: `the list of services of ${trustDomain} is used: ${countOf(services.length)}`,
        detail: {
          sequence,
          digest,
          services: services.map(({ id }) => id),
          ...defined({ reason: by?.reason }),
        },
      },
    );
    held.hold(trustDomain, {
      gateways,
      services,
      sequence,
      digest,
      receivedAt,
      confirmedAt: receivedAt,
      expiresAt: ends,
    });
    if (isNew)
      log.info('the catalogue of a peer is used', { trustDomain, sequence, services: services.length });
    await this.#end(relationship.trustDomain, INCIDENTS);
  }

  async #quarantine(
    relationship: Relationship,
    catalogue: Catalogue,
    changes: readonly SuspiciousChange[],
  ): Promise<TakeOutcome> {
    const { store, pending, clock } = this.#parts;
    const { trustDomain, sequence } = catalogue;
    const at = clock.now();
    const document = catalogueContent(catalogue);
    const digest = catalogueDigest(document);
    const isRejected = await this.#isRejected(trustDomain, digest);
    const status = isRejected ? 'rejected' : 'waiting';
    pending.note(trustDomain, { catalogue, digest, changes, status }, at);
    if (isRejected) return { kind: 'rejected', changes };
    const [first] = changes;
    const reason = {
      code: first?.code ?? 'identity-change',
      message: changes.map(({ message }) => message).join('; '),
    };
    await store.recordCatalogueNotHeld({
      at,
      trustDomain,
      verdict: 'quarantined',
      sequence,
      document,
      reason,
    });
    await this.#incident(relationship, 'catalogue-quarantined', reason, sequence);
    await this.#end(trustDomain, ['catalogue-refused', 'catalogue-flapping']);
    return { kind: 'waiting', changes };
  }

  async #refuse(
    relationship: Relationship,
    error: CatalogueError,
    catalogue: Catalogue | undefined,
  ): Promise<TakeOutcome> {
    const { store, clock } = this.#parts;
    const { trustDomain } = relationship;
    const { code, message } = error;
    const what = catalogue && {
      sequence: catalogue.sequence,
      digest: catalogueDigest(catalogueContent(catalogue)),
    };
    const at = clock.now();
    await store.recordCatalogueNotHeld({
      at,
      trustDomain,
      verdict: 'refused',
      reason: { code, message },
      ...what,
    });
    await this.#incident(relationship, 'catalogue-refused', { code, message }, catalogue?.sequence);
    return { kind: 'refused', code, message };
  }

  async #refuseFlapping(
    relationship: Relationship,
    catalogue: Catalogue,
    waitMs: number,
  ): Promise<TakeOutcome> {
    const { trustDomain } = relationship;
    const code = 'catalogue-flapping';
    const message = `${trustDomain} changes its list of services too often: the last good one stays in use, and the next is taken in ${formatDurationMs(waitMs)}`;
    await this.#incident(relationship, 'catalogue-flapping', { code, message }, catalogue.sequence);
    return { kind: 'refused', code, message, waitMs };
  }

  async #isRejected(trustDomain: TrustDomain, digest: string): Promise<boolean> {
    const versions = await this.#parts.store.catalogueVersions(trustDomain, 'received', { limit: VERSIONS });
    const newest = versions.find(
      (version) =>
        version.digest === digest && (version.verdict === 'operator' || version.reason?.code === REJECTED),
    );
    return newest?.reason?.code === REJECTED;
  }

  async #incident(
    { trustDomain, endpointUrl }: Relationship,
    kind: (typeof INCIDENTS)[number],
    { code, message }: { readonly code: string; readonly message: string },
    sequence: number | undefined,
  ): Promise<void> {
    const { store, clock, log } = this.#parts;
    const state = await store.recordIncident({
      at: clock.now(),
      kind,
      trustDomain,
      actor: 'agent',
      code,
      message,
      origin: endpointUrl,
      ...defined({ sequence: sequence === undefined ? undefined : BigInt(sequence) }),
    });
    if (state === 'began')
      log.warn('the catalogue of a peer is not used', { trustDomain, code, reason: message });
  }

  async #end(trustDomain: TrustDomain, kinds: readonly IncidentKind[]): Promise<void> {
    const { store, clock } = this.#parts;
    await store.endIncidents({ trustDomain, at: clock.now(), actor: 'agent', kinds });
  }
}

/** Whether the relationship ended while something about it was written. */
export function isGone(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'relationship-gone';
}

function countOf(services: number): string {
  return services === 1 ? '1 service' : `${services} services`;
}
