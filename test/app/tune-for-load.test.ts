import { execFileSync } from 'node:child_process';
import { expect, it } from 'vitest';

const ENGINE = new URL('../../src/platform/engine-tuning.ts', import.meta.url).href;

/** Prints whether V8 has optimized a hot function after the start's flags, and then after ours. */
const PROGRAM = `
  const { setFlagsFromString } = process.getBuiltinModule('node:v8');
  for (const flag of ['--allow-natives-syntax', '--no-opt', '--no-maglev']) setFlagsFromString(flag);
  const hot = new Function('count', 'let sum = 0; for (let i = 0; i < count; i++) sum = (sum * 31 + i) | 0; return sum;');
  const status = new Function('work', 'return %GetOptimizationStatus(work)');
  const optimized = () => {
    for (let i = 0; i < 500; i++) hot(100_000);
    return (status(hot) & 0b110000) !== 0;
  };
  const before = optimized();
  const { tuneForLoad } = await import(${JSON.stringify(ENGINE)});
  tuneForLoad();
  console.log(JSON.stringify([before, optimized()]));
`;

it('tuneForLoad() makes V8 compile hot code again, which the start had turned off', () => {
  const out = execFileSync(process.execPath, ['--input-type=module', '--eval', PROGRAM], {
    encoding: 'utf8',
  });
  expect(JSON.parse(out)).toEqual([false, true]);
});
