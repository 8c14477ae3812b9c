import type { Clock, Log } from '../../platform/index.ts';
import { parseStrictJson, type TrustDomain } from '../../spiffe/index.ts';
import {
  CATALOGUE_LIMITS,
  type CatalogueContent,
  CatalogueError,
  type CatalogueReading,
  readCatalogueContent,
} from '../../services/index.ts';
import type { HeldCatalogue } from '../../store/index.ts';

/** The catalogue of a peer that counts. */
export interface Held extends CatalogueContent {
  readonly sequence: number;
  readonly digest: string;
  readonly receivedAt: Date;
  /** When the owner last confirmed that this is its newest list. */
  readonly confirmedAt: Date;
  readonly expiresAt: Date;
}

/** The catalogue of each peer that counts, in memory as it is in the store. */
export class HeldCatalogues {
  readonly #held = new Map<TrustDomain, Held>();
  readonly #log: Log;
  readonly #clock: Clock;

  constructor({ log, clock }: { readonly log: Log; readonly clock: Clock }) {
    this.#log = log;
    this.#clock = clock;
  }

  of(trustDomain: TrustDomain): Held | undefined {
    return this.#held.get(trustDomain);
  }

  list(): readonly (readonly [TrustDomain, Held])[] {
    return [...this.#held];
  }

  hold(trustDomain: TrustDomain, held: Held): void {
    this.#held.set(trustDomain, held);
  }

  /** The owner has just confirmed that its list is still this one. */
  confirm(trustDomain: TrustDomain): void {
    const held = this.#held.get(trustDomain);
    if (held) this.#held.set(trustDomain, { ...held, confirmedAt: this.#clock.now() });
  }

  drop(trustDomain: TrustDomain): void {
    this.#held.delete(trustDomain);
  }

  /**
   * Takes up what the store holds. A catalogue that today's settings refuse does not count: the
   * operator may have forbidden its addresses in the meantime.
   */
  restore(
    rows: readonly HeldCatalogue[],
    readingOf: (trustDomain: TrustDomain) => CatalogueReading | undefined,
  ): void {
    for (const { trustDomain, document, sequence, digest, receivedAt, expiresAt } of rows) {
      const reading = readingOf(trustDomain);
      const content = reading && this.#read(trustDomain, document, reading);
      const confirmedAt = this.#clock.now();
      if (content)
        this.hold(trustDomain, { ...content, sequence, digest, receivedAt, confirmedAt, expiresAt });
    }
  }

  #read(trustDomain: TrustDomain, document: string, reading: CatalogueReading): CatalogueContent | undefined {
    try {
      return readContent(document, reading);
    } catch (error) {
      if (!(error instanceof CatalogueError)) throw error;
      this.#log.warn('a held catalogue is not used', { trustDomain, error });
      return undefined;
    }
  }
}

/** Reads a stored content. Throws `CatalogueError`; `JsonError` for what this store never wrote. */
export function readContent(document: string, reading: CatalogueReading): CatalogueContent {
  const claims = parseStrictJson(Buffer.from(document), {
    maxBytes: 2 * CATALOGUE_LIMITS.characters,
    maxDepth: 16,
  });
  if (claims instanceof Map) return readCatalogueContent(claims, reading);
  throw new CatalogueError('catalogue-malformed', 'the stored content of a catalogue is not an object');
}
