import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { StepRecord } from '../../src/demonstration/demo/index.ts';
import { TEST_PATIENCE_MS } from '../../testkit/patience.ts';

const ENTRY = resolve(import.meta.dirname, '../../bin/federate.js');

describe('federate demo', () => {
  it('tells the whole story with real processes, every step holds, and it ends by itself', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [ENTRY, 'demo', '--output', 'json'], {
      encoding: 'utf8',
      timeout: TEST_PATIENCE_MS,
    });
    const steps = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as StepRecord);
    expect(steps.map(({ step, ok, detail }) => ({ step, ok, error: detail['error'] }))).toEqual(
      [1, 2, 3, 4, 5, 6, 7, 8, 9].map((step) => ({ step, ok: true, error: undefined })),
    );
    // On a busy machine the command says there what it waits for.
    const unexpected = stderr.split('\n').filter((line) => line !== '' && !line.startsWith('… after '));
    expect({ status, unexpected }).toEqual({ status: 0, unexpected: [] });
    expect(steps[5]?.detail).toMatchObject({ failed: 0 });
    expect(steps[6]?.detail).toMatchObject({ failed: 0 });
  });
});
