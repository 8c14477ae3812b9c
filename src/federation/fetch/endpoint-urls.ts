import type { Clock } from '../../platform/index.ts';
import type { Relationship } from '../../store/index.ts';

/** The polls at one address of an endpoint since the agent started. */
export interface EndpointHealth {
  readonly url: string;
  /** Whether the next poll begins with it. */
  readonly inUse: boolean;
  readonly lastSuccessAt?: Date;
  readonly lastFailure?: { readonly at: Date; readonly code: string; readonly message: string };
}

type Addresses = Pick<Relationship, 'endpointUrl' | 'moreEndpointUrls'>;

/**
 * How long a later address that answered is asked first, before the first one gets its turn again.
 */
const PREFERRED_FOR_MS = 600_000;

/**
 * The addresses of one peer's endpoint, in the order in which a poll tries them: the operator's
 * order. Where only a later address answered, it comes first for a while. A dead address would cost
 * its time-out at every poll.
 */
export class EndpointUrls {
  readonly #clock: Clock;
  readonly #health = new Map<string, Omit<EndpointHealth, 'url' | 'inUse'>>();
  #preferred: { readonly url: string; readonly untilMs: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Every address, the one to try first first. */
  inOrder({ endpointUrl, moreEndpointUrls = [] }: Addresses): readonly [string, ...string[]] {
    const preferred = this.#preferred;
    const valid =
      preferred !== undefined &&
      this.#clock.monotonicMs() < preferred.untilMs &&
      moreEndpointUrls.includes(preferred.url);
    if (!valid) return [endpointUrl, ...moreEndpointUrls];
    const others = [endpointUrl, ...moreEndpointUrls].filter((url) => url !== preferred.url);
    return [preferred.url, ...others];
  }

  /** An address gave an authenticated bundle, whether that was accepted or not. */
  answered(url: string, addresses: Addresses): void {
    this.#health.set(url, { ...this.#health.get(url), lastSuccessAt: this.#clock.now() });
    if (url === addresses.endpointUrl) this.#preferred = undefined;
    // Not made longer by each answer: the first address is to get its turn.
    else if (this.inOrder(addresses)[0] !== url)
      this.#preferred = { url, untilMs: this.#clock.monotonicMs() + PREFERRED_FOR_MS };
  }

  /** An address gave none, or one that is older than what is held. */
  failed(url: string, code: string, message: string): void {
    const lastFailure = { at: this.#clock.now(), code, message };
    this.#health.set(url, { ...this.#health.get(url), lastFailure });
  }

  /** How each did, in the operator's order. */
  health(addresses: Addresses): EndpointHealth[] {
    const [first] = this.inOrder(addresses);
    return [addresses.endpointUrl, ...(addresses.moreEndpointUrls ?? [])].map((url) => ({
      ...this.#health.get(url),
      url,
      inUse: url === first,
    }));
  }
}
