import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CommanderError } from 'commander';
import { describe, expect, it } from 'vitest';
import { pathOf } from '../../src/cli/federate-command.ts';
import { callsIn, idleProgram, verbsOf } from '../../testkit/command-examples.ts';
import { TestReader } from '../../testkit/reader.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const VERBS = verbsOf(idleProgram())
  .map(pathOf)
  .map((path) => path.split(' ').slice(1));

/** Parses a call without running it. Rejects with the mistake in its words. */
async function parse(words: readonly string[]): Promise<void> {
  await idleProgram().parseAsync(words, { from: 'user' });
}

describe('the help of each verb', () => {
  it('is there for more than forty verbs', () => {
    expect(VERBS.length).toBeGreaterThan(40);
  });

  it.each(VERBS)('has examples that the parser takes: %s %s', async (...words) => {
    const reader = new TestReader();
    expect(await reader.run(...words.filter(Boolean), '--help')).toBe(0);
    const [, examples] = /\nExamples?:\n((?: {2}.*\n?)+)/.exec(`${reader.out.join('\n')}\n`) ?? [];
    const calls = callsIn(examples ?? '');
    const own = calls.filter((call) => words.every((word, index) => call[index] === word));
    expect(own.length).toBeGreaterThan(0);
    for (const call of calls) await parse(call);
  });

  it.each(VERBS)('has lines of at most 80 columns: %s %s', async (...words) => {
    const reader = new TestReader();
    await reader.run(...words, '--help');
    const long = reader.out
      .join('\n')
      .split('\n')
      .filter((line) => line.length > 80 && !line.startsWith('  $ '));
    expect(long).toEqual([]);
  });
});

describe('the pages', () => {
  const pages = globSync(['README.md', 'docs/**/*.md'], { cwd: ROOT }).sort();
  const calls = pages.flatMap((page) => {
    const text = readFileSync(join(ROOT, page), 'utf8');
    const blocks = [...text.matchAll(/^ *```(?:sh|console|bash)\n([^]*?)^ *```/gm)];
    return blocks.flatMap(([, block = '']) => callsIn(block)).map((words) => ({ page, words }));
  });

  it('have calls that the parser takes', async () => {
    expect(calls.length).toBeGreaterThan(40);
    const refused: string[] = [];
    for (const { page, words } of calls)
      await parse(words).catch((error: Error) => {
        // The help and the version are shown, which is not a mistake.
        if (error instanceof CommanderError && error.exitCode === 0) return;
        refused.push(`${page}: federate ${words.join(' ')}: ${error.message}`);
      });
    expect(refused).toEqual([]);
  });
});

it('an example with a mistake would be found', async () => {
  await expect(parse(['list', '--foo'])).rejects.toThrow('has no option "--foo"');
  await expect(parse(['bundle', 'set', 'b.example'])).rejects.toThrow('needs <file>');
});

describe('callsIn()', () => {
  it.each([
    ['  $ federate list | jq .', [['list']]],
    ['federate add --peer - < line.txt # comment', [['add', '--peer', '-']]],
    [
      `federate invite --peer b.example \\\n  --expires 1h`,
      [['invite', '--peer', 'b.example', '--expires', '1h']],
    ],
    [
      `a && federate trust --again b 9f --reason "was a false alarm" > x; federate list`,
      [['trust', '--again', 'b', '9f', '--reason', 'was a false alarm'], ['list']],
    ],
    ['source <(federate completion bash)', [['completion', 'bash']]],
    ['echo nothing', []],
  ])('finds the calls in %j', (shell, calls) => {
    expect(callsIn(shell)).toEqual(calls);
  });
});
