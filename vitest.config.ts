import { defineConfig } from 'vitest/config';
import { PATIENCE_MS, patienceEnvironment, TEST_PATIENCE_MS } from './testkit/patience.ts';

/** The suites that start whole processes of the command. */
const E2E = ['test/e2e/**/*.test.ts'];
/** The suites that start programs of other projects. */
const INTEROP = ['test/interop/**/*.test.ts'];

export default defineConfig({
  test: {
    // One setting for all: see testkit/patience.ts. No test has a time of its own.
    testTimeout: TEST_PATIENCE_MS,
    hookTimeout: TEST_PATIENCE_MS,
    expect: { poll: { timeout: PATIENCE_MS } },
    env: patienceEnvironment,
    // A missing snapshot fails, here as in CI: only `--update` writes one.
    update: 'none',
    pool: 'forks',
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/**/*.test.ts'], exclude: [...E2E, ...INTEROP] },
      },
      {
        extends: true,
        // The tests of a file run in random order: none may rest on what another one did.
        test: { name: 'e2e', include: E2E, sequence: { shuffle: { tests: true } } },
      },
      // A server of another project keeps what it was given, so these tests stay in their order.
      { extends: true, test: { name: 'interop', include: INTEROP } },
    ],
  },
});
