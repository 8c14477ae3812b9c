import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { StepRecord } from '../../src/demo/index.ts';

const ENTRY = resolve(import.meta.dirname, '../../bin/federate.js');

describe('federate demo', () => {
  it('tells the whole story with real processes, every step holds, and it ends by itself', {
    timeout: 240_000,
  }, () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [ENTRY, 'demo', '--output', 'json'], {
      encoding: 'utf8',
      timeout: 230_000,
    });
    const steps = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as StepRecord);
    expect(steps.map(({ step, ok, detail }) => ({ step, ok, error: detail['error'] }))).toEqual(
      [1, 2, 3, 4, 5, 6, 7].map((step) => ({ step, ok: true, error: undefined })),
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(steps[4]?.detail).toMatchObject({ failed: 0 });
    expect(steps[5]?.detail).toMatchObject({ failed: 0 });
  });
});
