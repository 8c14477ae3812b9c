import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PATIENCE_MS, slowness, TEST_PATIENCE_MS } from '../testkit/patience.ts';

/** A limit of its own that a test, a hook, a suite or a wait sets: `}, 60_000);` or `{ timeout: 60_000 }`. */
const OWN_LIMIT = /\}, ?[\d_]{4,}\);|\b(?:timeout|testTimeout|hookTimeout): ?[\d_]{4,}/g;

function ownLimits(text: string): string[] {
  return [...text.matchAll(OWN_LIMIT)].map(([found]) => found);
}

describe('the patience of the tests', () => {
  it('is one setting: no test has a time limit of its own', () => {
    const files = readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' }).filter(
      (name) => name.endsWith('.ts') && name !== 'patience.test.ts',
    );
    expect(files.length).toBeGreaterThan(200);
    const found = files.flatMap((name) =>
      ownLimits(readFileSync(join(import.meta.dirname, name), 'utf8')).map((limit) => `${name}: ${limit}`),
    );
    expect(found).toEqual([]);
  });

  it.each([
    `it('x', () => {\n}, 60_000);`,
    `expect.poll(x, { timeout: 10_000 })`,
    `describe('x', { timeout: 1000 }`,
  ])('would find %j', (text) => {
    expect(ownLimits(text)).toHaveLength(1);
  });

  it('grows with the measured slowness of the machine, in every worker alike', () => {
    expect(slowness).toBeGreaterThanOrEqual(1);
    expect(process.env['FEDERATE_TEST_PATIENCE']).toBe(String(slowness));
    expect(PATIENCE_MS).toBe(Math.round(20_000 * slowness));
    expect(TEST_PATIENCE_MS).toBeGreaterThan(PATIENCE_MS);
  });
});
