import { existsSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { kill, printedLines, startChild } from './child-store.ts';
import { openRaw } from './open-store.ts';
import { istio } from './sample-bundles.ts';

const ROUNDS = 24;
describe('kill -9', () => {
  it('loses no acknowledged write at any moment, and leaves a store that opens', async () => {
    using folder = tempDir();
    const path = folder.file('federate.db');
    const acknowledged = new Map<number, string>();
    // Fixed moments: from right after the start to a few hundred versions later, and between two
    // lines.
    const moments = fc.sample(
      fc.record({ lines: fc.integer({ min: 0, max: 60 }), microtasks: fc.integer({ min: 0, max: 40 }) }),
      { numRuns: ROUNDS, seed: 20_260_301 },
    );
    for (const { lines, microtasks } of moments) {
      const started = startChild(path, 'append');
      if (lines > 0) await printedLines(started, lines);
      for (let turn = 0; turn < microtasks; turn += 1) await new Promise((resolve) => setImmediate(resolve));
      await kill(started.child);
      for (const line of started.output.text.split('\n').slice(0, -1)) {
        const [number, digest] = line.split(' ');
        if (number && digest) acknowledged.set(Number(number), digest);
      }
      await using store = await openTestStore({ path });
      const history = await store.history(istio, { limit: 1_000_000 });
      const byNumber = new Map(history.map((version) => [version.number, version.digest]));
      for (const [number, digest] of acknowledged) expect(byNumber.get(number)).toBe(digest);
      expect(await store.current(istio)).toEqual(history[0]);
      const raw = openRaw(path);
      expect(raw.pragma('integrity_check', { simple: true })).toBe('ok');
      expect(raw.pragma('foreign_key_check')).toEqual([]);
      raw.close();
    }
    expect(acknowledged.size).toBeGreaterThan(ROUNDS);
  });

  it('leaves a file in the middle of the first start that the next start turns into a store', async () => {
    const turns = fc.sample(fc.integer({ min: 0, max: 300 }), { numRuns: 12, seed: 20_260_301 });
    for (const turn of turns) {
      using folder = tempDir();
      const path = folder.file('federate.db');
      const { child, output } = startChild(path, 'hold');
      while (!existsSync(`${path}.lock`)) {
        if (child.exitCode !== null) throw new Error(`the child ended by itself: ${output.errors}`);
        await new Promise((resolve) => setImmediate(resolve));
      }
      for (let each = 0; each < turn; each += 1) await new Promise((resolve) => setImmediate(resolve));
      await kill(child);
      await using store = await openTestStore({ path });
      const [relationships, history] = [await store.relationships(), await store.history(istio)];
      // The relationship and its first version are one transaction.
      expect(relationships.length).toBe(history.length);
      const raw = openRaw(path);
      expect(raw.pragma('integrity_check', { simple: true })).toBe('ok');
      raw.close();
    }
  });

  it('is not needed for two first starts at once: one gets the store, the other is refused', async () => {
    using folder = tempDir();
    const path = folder.file('federate.db');
    const pair = [startChild(path, 'hold'), startChild(path, 'hold')];
    const outcomes = await Promise.all(
      pair.map((started) =>
        printedLines(started, 1).then(
          () => 'ready',
          (error: unknown) => String(error),
        ),
      ),
    );
    for (const { child } of pair) if (child.exitCode === null) await kill(child);
    expect(outcomes.filter((outcome) => outcome === 'ready')).toHaveLength(1);
    expect(outcomes.filter((outcome) => outcome.includes('store-locked'))).toHaveLength(1);
  });

  it('frees the lock of the agent that held it; until then a second agent is refused with the name of the holder', async () => {
    using folder = tempDir();
    const path = folder.file('federate.db');
    const started = startChild(path, 'hold');
    await printedLines(started, 1);
    const refusal = await openTestStore({ path }).catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: 'store-locked' });
    expect(String(refusal)).toContain(`pid ${started.child.pid}`);
    await kill(started.child);
    await (await openTestStore({ path })).close();
  });
});
