import type { Svid, SvidSource } from '../src/mtls/index.ts';

/** An SVID source whose SVID a test changes, or takes away, by hand. */
export class ChangingSvid implements SvidSource {
  #svid: Svid | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(svid?: Svid) {
    this.#svid = svid;
  }

  current(): Svid | undefined {
    return this.#svid;
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  change(svid?: Svid): void {
    this.#svid = svid;
    for (const listener of this.#listeners) listener();
  }
}
