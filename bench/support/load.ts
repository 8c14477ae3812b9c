import { type BenchChild, firstLine, startProgram } from './process.ts';
import { median } from './measure.ts';

/** What a load generator of `bench/programs` did to a server. */
export interface LoadResult {
  readonly operations: number;
  readonly failures: number;
  readonly firstFailure?: string;
  readonly seconds: number;
}

/** A server under load, and how much of the processor an operation took from it. */
export interface Cost {
  readonly perSecond: number;
  readonly cpuMicroseconds: number;
}

/**
 * Runs a load generator against a server to its end, and gives what one operation cost the server. Processor time is what is
 * compared: on a machine with few cores the rate tells as much about the client. Throws when any answer was not a good one,
 * for refusals are cheap and would look like speed.
 */
export async function costOf(server: BenchChild, program: URL, options: object): Promise<Cost> {
  const before = server.cpuSeconds();
  await using load = startProgram(program, options);
  const { operations, failures, firstFailure, seconds } = await firstLine<LoadResult>(load);
  const cpu = server.cpuSeconds() - before;
  if (failures > 0 || operations === 0) {
    throw new Error(
      `${failures} of ${operations + failures} operations failed: ${firstFailure ?? 'none ran'}`,
    );
  }
  return { perSecond: operations / seconds, cpuMicroseconds: (cpu / operations) * 1e6 };
}

/** Two servers under the same load. Both ratios are above one where A does better. */
export interface Comparison {
  readonly a: Cost;
  readonly b: Cost | undefined;
  /** Processor time of B by that of A. */
  readonly ratio: number;
  /** Operations per second of A by those of B; the load takes its share of the same cores. */
  readonly rateRatio: number;
}

/** Costs of A and B measured in turn (A B A B …) after one warm-up each: medians, and medians of the ratios pair by pair. */
export async function compareCosts(
  rounds: number,
  a: () => Promise<Cost>,
  b: (() => Promise<Cost>) | undefined,
): Promise<Comparison> {
  await a();
  await b?.();
  const ours: Cost[] = [];
  const theirs: Cost[] = [];
  for (let round = 0; round < rounds; round += 1) {
    ours.push(await a());
    if (b) theirs.push(await b());
  }
  return {
    a: medianCost(ours),
    b: b ? medianCost(theirs) : undefined,
    ratio: median(theirs.map((cost, index) => cost.cpuMicroseconds / (ours[index]?.cpuMicroseconds ?? 0))),
    rateRatio: median(theirs.map((cost, index) => (ours[index]?.perSecond ?? 0) / cost.perSecond)),
  };
}

function medianCost(costs: readonly Cost[]): Cost {
  return {
    perSecond: median(costs.map((cost) => cost.perSecond)),
    cpuMicroseconds: median(costs.map((cost) => cost.cpuMicroseconds)),
  };
}

/** `38 µs of processor time each, 830/s; the other: …; by processor time 1.02, by rate 0.97`, for a row's note. */
export function textOfCosts({ a, b, ratio, rateRatio }: Comparison, missing: string): string {
  const textOf = (cost: Cost) =>
    `${cost.cpuMicroseconds.toFixed(0)} µs of processor time each, ${cost.perSecond.toFixed(0)}/s`;
  return b
    ? `${textOf(a)}; the other: ${textOf(b)}; by processor time ${ratio.toFixed(2)}, by rate ${rateRatio.toFixed(2)}`
    : `${textOf(a)}; nothing to compare with, ${missing}`;
}
