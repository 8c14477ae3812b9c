import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const ENGINE = new URL('../../src/platform/engine-tuning.ts', import.meta.url).href;

/**
 * Prints whether V8 has optimized a hot function after the start's flags, and then after ours. `mark`
 * is what `bin/federate.js` leaves where it has set the flags.
 */
const programWith = (mark: string, rounds: number) => `
  const { setFlagsFromString } = process.getBuiltinModule('node:v8');
  for (const flag of ['--allow-natives-syntax', '--no-opt', '--no-maglev']) setFlagsFromString(flag);
  const hot = new Function('count', 'let sum = 0; for (let i = 0; i < count; i++) sum = (sum * 31 + i) | 0; return sum;');
  const status = new Function('work', 'return %GetOptimizationStatus(work)');
  // V8 compiles on another thread, which a busy machine runs late.
  const optimized = (rounds) => {
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < 100; i++) hot(100_000);
      if ((status(hot) & 0b110000) !== 0) return true;
    }
    return false;
  };
  const before = optimized(1);
  ${mark}
  const { tuneForLoad } = await import(${JSON.stringify(ENGINE)});
  tuneForLoad();
  console.log(JSON.stringify([before, optimized(${rounds})]));
`;

function optimizedBeforeAndAfter(mark: string, rounds: number): unknown {
  const out = execFileSync(process.execPath, ['--input-type=module', '--eval', programWith(mark, rounds)], {
    encoding: 'utf8',
  });
  return JSON.parse(out);
}

describe('tuneForLoad()', () => {
  it('makes V8 compile hot code again, which the start had turned off', () => {
    const mark = "globalThis[Symbol.for('federate.quiet-start')] = true;";
    expect(optimizedBeforeAndAfter(mark, 100)).toEqual([false, true]);
    // The command leaves the same mark.
    const command = readFileSync(new URL('../../bin/federate.js', import.meta.url), 'utf8');
    expect(command).toContain(mark);
  });

  it('changes no flag of a start that changed none', () => {
    expect(optimizedBeforeAndAfter('', 3)).toEqual([false, false]);
  });
});
