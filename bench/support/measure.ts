/** One row of the table that `npm run bench` prints. */
export interface BenchRow {
  readonly what: string;
  /** What was measured, with its unit. */
  readonly value: string;
  /** What to reach; absent where nothing is promised. */
  readonly target?: string;
  readonly reached?: boolean;
  readonly note?: string;
}

export interface BenchOptions {
  /** Shorter runs, for a look. */
  readonly quick: boolean;
}

/** One subject with its rows. */
export interface Bench {
  readonly name: string;
  run(options: BenchOptions): Promise<readonly BenchRow[]>;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const high = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? high) + high) / 2;
}

/** Runs A and B in turn (A B A B …) and gives the median of each and of the ratios A/B pair by pair. */
export async function interleave(
  rounds: number,
  a: () => Promise<number>,
  b: () => Promise<number>,
): Promise<{ readonly a: number; readonly b: number; readonly ratio: number }> {
  const pairs: { a: number; b: number }[] = [];
  for (let round = 0; round < rounds; round += 1) pairs.push({ a: await a(), b: await b() });
  return {
    a: median(pairs.map((pair) => pair.a)),
    b: median(pairs.map((pair) => pair.b)),
    ratio: median(pairs.map((pair) => pair.a / pair.b)),
  };
}

/** Microseconds per call of `work`, the median of five runs of about `ms` milliseconds, after a warm-up as long as one. */
export function microsecondsPer(work: () => void, ms: number): number {
  const run = () => {
    const start = performance.now();
    let calls = 0;
    while (performance.now() - start < ms) {
      for (let index = 0; index < 20; index += 1) work();
      calls += 20;
    }
    return ((performance.now() - start) * 1000) / calls;
  };
  run();
  return median([run(), run(), run(), run(), run()]);
}
