import { defineConfig } from 'vitest/config';

/** The tests that judge mutants: the fast ones of the rooms that are mutated. */
export default defineConfig({
  test: {
    include: [
      'test/spiffe/**/*.test.ts',
      'test/federation/{address-kind,polling,redirects,relationship-state,schedule,settle-offer,verdict}.test.ts',
    ],
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
});
