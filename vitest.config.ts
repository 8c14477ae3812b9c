import { defineConfig } from 'vitest/config';
import { PATIENCE_MS, patienceEnvironment, TEST_PATIENCE_MS } from './testkit/patience.ts';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // One setting for all: see testkit/patience.ts. No test has a time of its own.
    testTimeout: TEST_PATIENCE_MS,
    hookTimeout: TEST_PATIENCE_MS,
    expect: { poll: { timeout: PATIENCE_MS } },
    env: patienceEnvironment,
    pool: 'forks',
    maxWorkers: 2,
  },
});
