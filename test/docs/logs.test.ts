import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const page = readFileSync(join(ROOT, 'docs/logs.md'), 'utf8');
const recipes = [...page.matchAll(/^```sh\n([^]*?)^```/gm)].map(([, block = '']) => block).join('');
const source = globSync('src/**/*.ts', { cwd: ROOT }).map((file) => readFileSync(join(ROOT, file), 'utf8'));

/** The fields of all lines (docs/logs.md) and of those that matter most (docs/operations.md). */
const fields = new Set(
  [page.split('## Where')[0] ?? '', readFileSync(join(ROOT, 'docs/operations.md'), 'utf8')].flatMap((text) =>
    [...text.matchAll(/`([a-z_]+)`/g)].map(([, name = '']) => name),
  ),
);

describe('docs/logs.md', () => {
  it('names fields in its recipes that lines have', () => {
    const used = [...recipes.matchAll(/(?<![\w/~)-])\.([a-z_]+)|[{,] ?([a-z_]+)(?=[,}])/g)].map(
      ([, dotted, bare]) => dotted ?? bare ?? '',
    );
    expect(used.length).toBeGreaterThan(15);
    expect(
      [...new Set(used)].filter((name) => !fields.has(name) && !['path', 'message'].includes(name)),
    ).toEqual([]);
  });

  it('selects lines that the source writes', () => {
    const lines = [...page.matchAll(/\.msg == "([^"]+)"/g)].map(([, line = '']) => line);
    expect(lines.length).toBeGreaterThan(2);
    expect(lines.filter((line) => !source.some((text) => text.includes(`'${line}'`)))).toEqual([]);
  });
});
