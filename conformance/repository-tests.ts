import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { collectTests } from './collect-tests.ts';
import { namedRows } from './named-rows.ts';

/** A test of this repository that names conformance rows. */
export interface RepositoryTest {
  /** Path from the root of the repository, with slashes. */
  readonly file: string;
  /** The titles of its suites and its own, with ` › ` between. */
  readonly title: string;
  /** The rows it names, by its own title, by those of its suites or by its table. */
  readonly rows: readonly string[];
}

/**
 * The tests below `test/` that name conformance rows, ordered by file and place. A file that is no `*.test.ts` (a contract that
 * several implementations share) counts if a test file imports it.
 */
export function repositoryTests(root: string): RepositoryTest[] {
  const sources = new Map(
    readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
      // Tests of documents, this list among them, name rows without keeping any.
      .filter((name) => name.endsWith('.ts') && !name.startsWith('docs'))
      .sort()
      .map((name) => {
        const file = join('test', name);
        return [file, readFileSync(join(root, file), 'utf8')] as const;
      }),
  );
  const imported = new Set(
    [...sources].flatMap(([file, source]) =>
      file.endsWith('.test.ts')
        ? [...source.matchAll(/from '(\.[^']+)'/g)].map(([, path = '']) => resolve(root, dirname(file), path))
        : [],
    ),
  );
  return [...sources].flatMap(([file, source]) =>
    file.endsWith('.test.ts') || imported.has(resolve(root, file))
      ? collectTests(source).flatMap(({ titles, tableTexts }) => {
          const rows = namedRows([...titles, ...tableTexts].join('\n'));
          return rows.length === 0 ? [] : [{ file, title: titles.join(' › '), rows }];
        })
      : [],
  );
}
