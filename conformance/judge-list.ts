import { namedRows } from './named-rows.ts';
import type { ConformanceRow, ConformanceSection } from './read-rows.ts';
import type { RepositoryTest } from './repository-tests.ts';

/**
 * What is wrong with the list, one sentence for each; none if it holds. Wrong is: a row that no test names and that does
 * not say why; one that says why and is named all the same; a title or `docs/divergences.md` that names a row which is not there; a gap in the numbers of a family;
 * a choice without words, and one that differs without a word in `docs/divergences.md`.
 */
export function judgeList(
  sections: readonly ConformanceSection[],
  tests: readonly RepositoryTest[],
  divergences: string,
): string[] {
  const rows = sections.flatMap((section) => section.rows);
  const known = new Set(rows.map(({ id }) => id));
  const named = new Set(tests.flatMap((test) => test.rows));
  const explained = new Set(namedRows(divergences));
  return [
    ...rows.flatMap((row, index) => [
      ...judgeRow(row, named.has(row.id), explained.has(row.id)),
      ...(follows(rows[index - 1]?.id, row.id) ? [] : [`${row.id} does not follow ${rows[index - 1]?.id}`]),
    ]),
    ...tests.flatMap(({ file, title, rows: own }) =>
      own
        .filter((id) => !known.has(id))
        .map((id) => `${file}: "${title}" names ${id}, which is not in conformance/rows.yaml`),
    ),
    ...[...explained]
      .filter((id) => !known.has(id))
      .map((id) => `docs/divergences.md names ${id}, which is not in conformance/rows.yaml`),
  ];
}

function judgeRow(row: ConformanceRow, isNamed: boolean, isExplained: boolean): string[] {
  const wrong: string[] = [];
  if (!isNamed && row.notApplicable === undefined)
    wrong.push(`${row.id} (${row.level}) is named by no test, and nothing says why it does not apply`);
  if (isNamed && row.notApplicable !== undefined)
    wrong.push(`${row.id} is named by a test although conformance/rows.yaml says that it does not apply`);
  if (row.level === 'SILENT' && row.choice === undefined && row.notApplicable === undefined)
    wrong.push(`${row.id} is left to us, and nothing says what we chose`);
  if (row.differs && !isExplained)
    wrong.push(`${row.id} differs from the choice suggested, and docs/divergences.md does not say why`);
  return wrong;
}

function follows(before: string | undefined, id: string): boolean {
  const [family = '', number = ''] = id.split('-');
  const [familyBefore, numberBefore] = before?.split('-') ?? [];
  return Number(number) === (familyBefore === family ? Number(numberBefore) + 1 : 1);
}
