import type { Running } from './beside.ts';
import { compareCosts, costOf, textOfCosts } from './load.ts';
import type { BenchRow } from './measure.ts';

/**
 * What a request costs our bundle endpoint and the one beside it, on kept connections and with a handshake each; `missing`
 * says how to get the other where it is not there.
 */
export async function rowsOfEndpoints(
  name: string,
  other: string,
  ours: Running,
  theirs: Running | undefined,
  { quick, kept, each }: { readonly quick: boolean; readonly kept: number; readonly each: number },
  missing: string,
): Promise<readonly BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const [what, keepAlive, target] of [
    [`${name}, kept connections`, true, kept],
    [`${name}, a handshake each`, false, each],
  ] as const) {
    const load = { seconds: quick ? 1 : 3, connections: 16, keepAlive };
    const program = new URL('../programs/https-load.ts', import.meta.url);
    const compared = await compareCosts(
      quick ? 1 : 5,
      () => costOf(ours.child, program, { ...load, port: ours.port }),
      theirs && (() => costOf(theirs.child, program, { ...load, port: theirs.port })),
    );
    const { a, b, ratio } = compared;
    rows.push({
      what,
      value: b ? `${ratio.toFixed(2)} of ${other}` : `${a.cpuMicroseconds.toFixed(0)} µs`,
      ...(b ? { target: `≥ ${target}`, reached: ratio >= target } : {}),
      note: textOfCosts(compared, missing),
    });
  }
  return rows;
}
