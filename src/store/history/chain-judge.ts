import { CHAIN_START, type ChainLink, linkHash } from '../model/chain.ts';
import type { Finding } from './history-finding.ts';

/** A head that a signer or a note vouches for: it must be in the chain. */
export interface ExpectedHead {
  readonly number: number;
  readonly hash: string;
  /** Hash of the first link, where the head states it. */
  readonly chain?: string;
  /** Who vouches for the head and since when, for the message: `signed by spiffe://… at …`. */
  readonly vouchedBy: string;
}

/**
 * Walks a chain from its first link on and reports what does not hold. Pure; give the links in
 * their order.
 */
export class ChainJudge {
  readonly #wanted: ReadonlySet<number>;
  readonly #hashes = new Map<number, string>();
  #number = 0;
  /** Undefined behind a gap, where nothing can be computed. */
  #previous: string | undefined = CHAIN_START;
  #first: string | undefined;
  #last: string | undefined;

  /** `wanted` are the numbers of the links whose hashes `finish` needs at the end. */
  constructor(wanted: Iterable<number>) {
    this.#wanted = new Set(wanted);
  }

  /** How many links there were, by the number of the last one. */
  get links(): number {
    return this.#number;
  }

  /** The hash of the last link. */
  get head(): string | undefined {
    return this.#last;
  }

  /** Judges the next link and its row. A finding here says nothing about the links after it. */
  add(link: ChainLink): Finding[] {
    const findings: Finding[] = [];
    const row = `${link.table} ${link.rowId}`;
    const expected = this.#number + 1;
    if (link.number < expected)
      return [{ code: 'row-changed', row, message: `link ${link.number} appears twice in the chain` }];
    if (link.number > expected) {
      findings.push({
        code: 'link-missing',
        message:
          link.number === expected + 1
            ? `link ${expected} is gone from the chain, and perhaps the row it named`
            : `links ${expected} to ${link.number - 1} are gone from the chain`,
      });
      this.#previous = undefined;
    }
    if (link.text === undefined)
      findings.push({
        code: 'row-removed',
        row,
        message: `${row} is gone; link ${link.number} commits to it`,
      });
    else if (this.#previous !== undefined && linkHash(link.number, this.#previous, link.text) !== link.hash)
      findings.push({
        code: 'row-changed',
        row,
        message: `${row} is not what link ${link.number} commits to: it was changed or moved`,
      });
    this.#number = link.number;
    this.#previous = link.hash;
    this.#last = link.hash;
    this.#first ??= link.hash;
    if (this.#wanted.has(link.number)) this.#hashes.set(link.number, link.hash);
    return findings;
  }

  /** After the last link: whether the heads, in the order of their numbers, stand in the chain. */
  judgeHeads(heads: readonly ExpectedHead[]): Finding[] {
    const findings: Finding[] = [];
    let sound = 0;
    for (const { number, hash, chain, vouchedBy } of heads) {
      if (number > this.#number) {
        findings.push({
          code: 'tail-missing',
          message: `the history ends at link ${this.#number}, but link ${number} was ${vouchedBy}`,
        });
      } else if (this.#hashes.get(number) !== hash || (chain ?? this.#first) !== this.#first) {
        findings.push({
          code: 'history-rewritten',
          message: `link ${number} is not the one that was ${vouchedBy}: something in links ${sound + 1} to ${number} was rewritten`,
        });
      } else {
        sound = number;
      }
    }
    return findings;
  }
}
