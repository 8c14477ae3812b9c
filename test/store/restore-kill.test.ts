import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { backUpStore } from '../../src/store/index.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { kill, printedLines, startChild } from './child-store.ts';
import { istio } from './sample-bundles.ts';

const ENTRY = resolve(import.meta.dirname, '../../bin/federate.js');
const ROUNDS = 8;

it('"store restore" that is killed at any moment leaves the old store with its log, or the new one', async () => {
  using folder = tempDir();
  const first = folder.file('first.db');
  const child = startChild(first, 'append');
  await printedLines(child, 5);
  const { file, facts } = await backUpStore({
    store: first,
    file: folder.file('backup.db'),
    replace: false,
    onProgress: () => undefined,
    signal: new AbortController().signal,
  });
  await printedLines(child, 60);
  await kill(child.child);
  const outcomes = new Set<string>();
  const turns = fc.sample(fc.integer({ min: 0, max: 4000 }), { numRuns: ROUNDS, seed: 20_261_130 });
  for (const turn of turns) {
    using here = tempDir();
    const store = here.file('federate.db');
    for (const end of ['', '-wal', '.lock']) copyFileSync(`${first}${end}`, `${store}${end}`);
    const restoring = spawn(process.execPath, [ENTRY, 'store', 'restore', file, '--store', store], {
      stdio: 'ignore',
    });
    const gone = once(restoring, 'close');
    const isAtWork = () => readdirSync(here.path).some((name) => name.startsWith('.federate.db.'));
    while (!isAtWork() && restoring.exitCode === null) await new Promise((done) => setImmediate(done));
    for (let each = 0; each < turn && restoring.exitCode === null; each += 1)
      await new Promise((done) => setImmediate(done));
    restoring.kill('SIGKILL');
    await gone;
    expect(existsSync(store)).toBe(true);
    await using opened = await openTestStore({ path: store });
    const number = (await opened.current(istio))?.number ?? 0;
    expect(number === facts.versions || number >= 59).toBe(true);
    outcomes.add(number === facts.versions ? 'new' : 'old');
  }
  expect(outcomes.has('old')).toBe(true);
});
