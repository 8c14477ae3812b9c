import { isTrustDomain, type TrustDomain } from '../spiffe/index.ts';
import type { Store } from '../store/index.ts';

/**
 * Which peers report each conflict. A conflict ends when the last of them reports that all is well.
 * The store keeps them, so a restart of the agent in between changes nothing. One that is not a
 * peer any more does not count, because it never reports again.
 */
export class ConflictObservers {
  readonly #store: Pick<Store, 'getMeta' | 'setMeta'>;
  readonly #isPeer: (trustDomain: TrustDomain) => boolean;
  readonly #known = new Map<string, Promise<Set<TrustDomain>>>();

  constructor(store: Pick<Store, 'getMeta' | 'setMeta'>, isPeer: (trustDomain: TrustDomain) => boolean) {
    this.#store = store;
    this.#isPeer = isPeer;
  }

  /** The observers of one conflict now. Rejects with `StoreError`. */
  async of(conflict: string): Promise<ReadonlySet<TrustDomain>> {
    return this.#load(conflict);
  }

  /** An observer reports the conflict. Rejects with `StoreError`. */
  async add(conflict: string, observer: TrustDomain): Promise<void> {
    const observers = await this.#load(conflict);
    if (observers.has(observer)) return;
    observers.add(observer);
    await this.#save(conflict, observers);
  }

  /** An observer no longer reports it. Rejects with `StoreError`. */
  async delete(conflict: string, observer: TrustDomain): Promise<void> {
    const observers = await this.#load(conflict);
    if (observers.delete(observer)) await this.#save(conflict, observers);
  }

  #load(conflict: string): Promise<Set<TrustDomain>> {
    const known = this.#known.get(conflict) ?? this.#read(conflict);
    this.#known.set(conflict, known);
    // A store that could not be read is asked again.
    known.catch(() => this.#known.delete(conflict));
    return known;
  }

  async #read(conflict: string): Promise<Set<TrustDomain>> {
    const names: unknown = JSON.parse((await this.#store.getMeta(keyOf(conflict))) ?? '[]');
    const observers = (Array.isArray(names) ? names : []).filter(
      (name): name is TrustDomain => typeof name === 'string' && isTrustDomain(name) && this.#isPeer(name),
    );
    return new Set(observers);
  }

  async #save(conflict: string, observers: ReadonlySet<TrustDomain>): Promise<void> {
    await this.#store.setMeta(keyOf(conflict), JSON.stringify([...observers]));
  }
}

function keyOf(conflict: string): string {
  return `observers of ${conflict}`;
}
