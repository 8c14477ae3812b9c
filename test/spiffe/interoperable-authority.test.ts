import { describe, expect, it } from 'vitest';
import { readingProblem, x509AuthorityFromDer, BundleError } from '../../src/spiffe/index.ts';
import { oddRoots } from '../../testkit/odd-roots.ts';

const ROOTS = oddRoots();

function counts(der: Uint8Array): boolean {
  try {
    return readingProblem(x509AuthorityFromDer(der)) === undefined;
  } catch (error) {
    if (error instanceof BundleError) return false;
    throw error;
  }
}

describe('readingProblem()', () => {
  it.each(ROOTS)('$name: counts $counts', ({ der, counts: expected }) => {
    expect(counts(der)).toBe(expected);
  });
});
