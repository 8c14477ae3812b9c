import { type Clock, TokenBucket } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import { catalogueContent, type CatalogueContent } from '../../services/index.ts';

const CHANGES = { most: 20, everyMs: 60_000 };
const REMOVALS = { most: 20, everyMs: 15_000 };

interface Buckets {
  readonly changes: TokenBucket;
  readonly removals: TokenBucket;
}

/**
 * How often the catalogue of each peer may change, so that a peer that flaps fills neither the
 * history nor the mesh. Changes that only take services away have a bucket of their own, because
 * they must not wait long.
 */
export class ChangeLimit {
  readonly #clock: Clock;
  readonly #buckets = new Map<TrustDomain, Buckets>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Milliseconds until this change may be taken; 0 when it is taken now. */
  take(trustDomain: TrustDomain, held: CatalogueContent | undefined, offered: CatalogueContent): number {
    const buckets = this.#bucketsOf(trustDomain);
    const bucket = held && onlyTakesAway(held, offered) ? buckets.removals : buckets.changes;
    return bucket.take() ? 0 : bucket.waitMs();
  }

  forget(trustDomain: TrustDomain): void {
    this.#buckets.delete(trustDomain);
  }

  #bucketsOf(trustDomain: TrustDomain): Buckets {
    const known = this.#buckets.get(trustDomain);
    if (known) return known;
    const buckets = {
      changes: new TokenBucket(this.#clock, CHANGES),
      removals: new TokenBucket(this.#clock, REMOVALS),
    };
    this.#buckets.set(trustDomain, buckets);
    return buckets;
  }
}

/** Whether every offered service and gateway is a held one without any change but its state. */
function onlyTakesAway(held: CatalogueContent, offered: CatalogueContent): boolean {
  const known = new Set(partsOf(held));
  return partsOf(offered).every((part) => known.has(part));
}

function partsOf({ gateways, services }: CatalogueContent): readonly string[] {
  return [
    ...gateways.map((gateway) => catalogueContent({ gateways: [gateway], services: [] })),
    ...services.map((service) =>
      catalogueContent({ gateways: [], services: [{ ...service, state: 'serving' }] }),
    ),
  ];
}
