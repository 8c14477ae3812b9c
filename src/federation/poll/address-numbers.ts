import type { TrustDomain } from '../../spiffe/index.ts';

/** What one address of a peer's endpoint served last. */
interface NumberedContent {
  /** `contentDigest`. */
  readonly digest: string;
  readonly sequence: bigint;
}

/**
 * Under which number each address of a peer's endpoint gave its content last. Because replicas
 * count for themselves, a revocation at one of them may have a lower number than what another one
 * gave. In memory: after a start each address is asked again.
 */
export class AddressNumbers {
  readonly #numbers = new Map<TrustDomain, Map<string, NumberedContent>>();

  /** An address gave this content. */
  note(trustDomain: TrustDomain, endpointUrl: string, content: NumberedContent): void {
    const known = this.#numbers.get(trustDomain) ?? new Map<string, NumberedContent>();
    this.#numbers.set(trustDomain, known.set(endpointUrl, content));
  }

  /**
   * The number under which an address gave this very content last; undefined where it gave another
   * one.
   */
  numberOf(trustDomain: TrustDomain, endpointUrl: string, digest: string): bigint | undefined {
    const known = this.#numbers.get(trustDomain)?.get(endpointUrl);
    return known?.digest === digest ? known.sequence : undefined;
  }

  /** The relationship is over. */
  forget(trustDomain: TrustDomain): void {
    this.#numbers.delete(trustDomain);
  }
}
