import { type WarningDocument, warningsIn } from '../admin/index.ts';
import { messageOf } from '../errors/index.ts';
import type { Store } from '../store/index.ts';

/**
 * Lists what needs the operator's attention now, from memory or from the store; empty when nothing
 * does.
 */
export type AttentionSource = () => readonly WarningDocument[] | Promise<readonly WarningDocument[]>;

/**
 * What needs the operator's attention, once for `status`, `list`, `show`, `/healthz` and the
 * metrics. A part that can be in trouble adds a source here instead of reporting elsewhere. A
 * source that fails becomes a warning itself, so that a store which cannot be read hides nothing
 * else.
 */
export class Attention {
  readonly #sources: { readonly name: string; readonly source: AttentionSource }[] = [];
  readonly #now: () => Date;

  constructor(store: Store, now: () => Date) {
    this.#now = now;
    this.add('history', () => warningsIn(store));
  }

  /** Adds a source; its name is used when it cannot answer. */
  add(name: string, source: AttentionSource): void {
    this.#sources.push({ name, source });
  }

  /** All warnings, in the order in which their sources were added. */
  async list(): Promise<readonly WarningDocument[]> {
    const lists = await Promise.all(this.#sources.map((each) => this.#ask(each)));
    return lists.flat();
  }

  /** How many warnings there are of each code. */
  async counts(): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    for (const { code } of await this.list()) counts.set(code, (counts.get(code) ?? 0) + 1);
    return counts;
  }

  async #ask({
    name,
    source,
  }: {
    readonly name: string;
    readonly source: AttentionSource;
  }): Promise<readonly WarningDocument[]> {
    try {
      return await source();
    } catch (error) {
      const why = messageOf(error);
      return [
        {
          trust_domain: null,
          code: 'attention-unknown',
          message: `the warnings of ${name} could not be read: ${why}`,
          since: this.#now().toISOString(),
        },
      ];
    }
  }
}
