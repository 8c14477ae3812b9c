import { describe, expect, it } from 'vitest';
import { judgeNumber } from '../../src/federation/trust/judge-number.ts';
import { INSTANT } from './made-up-bundle.ts';

const seconds = BigInt(INSTANT.getTime() / 1000);
const judged = (anchor: bigint | undefined, ...offered: bigint[]) =>
  offered.map((number) => judgeNumber(anchor, number, INSTANT));
const [ordinary, leap, byClock, beyond] = ['ordinary', 'leap', 'by-clock', 'beyond-reason'];

describe('judgeNumber()', () => {
  it('lets a counter go on by a thousand, leap by a million, go to the time in seconds, and no further', () => {
    expect(judged(5n, 6n, 1_005n)).toEqual([ordinary, ordinary]);
    expect(judged(5n, 1_006n, 1_000_005n)).toEqual([leap, leap]);
    expect(judged(5n, 1_000_006n, seconds, seconds + 300n)).toEqual([byClock, byClock, byClock]);
    expect(judged(5n, seconds + 301n, seconds * 1000n, 2n ** 64n - 1n)).toEqual([beyond, beyond, beyond]);
  });

  it.each([
    ['seconds', 1n],
    ['milliseconds', 1_000n],
    ['microseconds', 1_000_000n],
    ['nanoseconds', 1_000_000_000n],
  ])('lets a number that is the time in %s go on to the present time, and no further', (_unit, unit) => {
    const lastMonth = (seconds - 2_592_000n) * unit;
    expect(judged(lastMonth, lastMonth + 1n, seconds * unit, (seconds + 300n) * unit)).toEqual([
      ordinary,
      ordinary,
      ordinary,
    ]);
    expect(judged(lastMonth, (seconds + 301n) * unit, 2n ** 64n - 1n)).toEqual([beyond, beyond]);
    // Many changes within one second.
    const ahead = (seconds + 300n) * unit;
    expect(judged(ahead, ahead + 1_000n, ahead + 1_001n)).toEqual([ordinary, beyond]);
  });

  it('lets numbers that are written as a date leap to the next year', () => {
    expect(judged(20301231235959n, 20310101000000n)).toEqual([leap]);
    expect(judged(2030123101n, 2031010100n)).toEqual([leap]);
    expect(judged(20301231235959n, 2n ** 63n)).toEqual([beyond]);
  });

  it('takes a publisher without a number so far for one that counts from 0', () => {
    expect(judged(undefined, 0n, 1n, seconds, 2n ** 63n)).toEqual([ordinary, ordinary, byClock, beyond]);
  });

  it('leads nowhere near the end in small steps', () => {
    let anchor = seconds;
    for (let step = 0; step < 1_000; step += 1) {
      const limit = anchor + 1_000n > seconds + 300n ? anchor + 1_000n : seconds + 300n;
      expect(judged(anchor, limit, limit + 1n)).toEqual([ordinary, beyond]);
      anchor = limit;
    }
    expect(anchor - seconds).toBeLessThan(1_001_000n);
  });
});
