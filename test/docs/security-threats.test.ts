import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const FOLDER = join(ROOT, 'test/invitation');

/** The titles of tests that the last column of a table names, in italics. */
function namedTests(section: string): string[] {
  return section
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .flatMap(
      (line) =>
        line
          .split('|')
          .at(-2)
          ?.match(/\*[^*]+\*/g) ?? [],
    )
    .map((title) => title.slice(1, -1));
}

describe('docs/security.md', () => {
  it('names a test that is there for every threat to an invitation', () => {
    const section = readFileSync(join(ROOT, 'docs/security.md'), 'utf8').split('## Invitations')[1] ?? '';
    const table = section.split('\n## ')[0] ?? '';
    const rows = table
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .slice(2);
    expect(rows.length).toBeGreaterThan(17);
    expect(rows.filter((row) => namedTests(row).length === 0)).toEqual([]);
    const tests = readdirSync(FOLDER)
      .filter((name) => name.endsWith('.test.ts'))
      .map((name) => readFileSync(join(FOLDER, name), 'utf8'))
      .join('\n');
    expect(namedTests(table).filter((title) => !tests.includes(`'${title}'`))).toEqual([]);
  });
});
