import type { ConformanceRow, ConformanceSection } from './read-rows.ts';
import type { RepositoryTest } from './repository-tests.ts';

/** `docs/conformance.md`: every row with its level, and the tests that keep it or why it does not apply. */
export function renderList(
  sections: readonly ConformanceSection[],
  tests: readonly RepositoryTest[],
): string {
  return `# Conformance, row by row

Written by \`npm run conformance\` from [conformance/rows.yaml](../conformance/rows.yaml) (what each row asks, in our words) and from the titles
of the tests, which name the rows they keep; \`npm test\` fails when this page is stale, when a row has neither a test nor a
reason, and when a title names a row that is not there. What we chose where the standards are silent, and why, is in
[divergences.md](divergences.md).

| section | rows | kept by tests | do not apply |
| --- | --- | --- | --- |
${sections.map((section) => summary(section)).join('\n')}

${sections.map((section) => renderSection(section, tests)).join('\n')}`;
}

function summary({ title, rows }: ConformanceSection): string {
  const away = rows.filter(({ notApplicable }) => notApplicable !== undefined).length;
  return `| ${title} | ${rows.length} | ${rows.length - away} | ${away} |`;
}

function renderSection({ title, rows }: ConformanceSection, tests: readonly RepositoryTest[]): string {
  return `## ${title}\n\n${rows.map((row) => renderRow(row, tests)).join('\n')}`;
}

function renderRow(row: ConformanceRow, tests: readonly RepositoryTest[]): string {
  const keepers = tests.filter(({ rows }) => rows.includes(row.id));
  return [
    `### ${row.id} · ${row.level}`,
    '',
    row.asks,
    ...(row.choice === undefined ? [] : ['', `We: ${row.choice}${row.differs ? ' (see divergences)' : ''}`]),
    '',
    ...(row.notApplicable === undefined
      ? unique(keepers.map(({ file, title }) => `- \`${file}\`: ${escape(title)}`))
      : [`_Does not apply:_ ${row.notApplicable}`]),
    '',
  ].join('\n');
}

/** Titles are text: nothing in them is Markdown. */
function escape(title: string): string {
  return title.replaceAll(/[\\`*_<>[\]|~]/g, String.raw`\$&`).replaceAll('\n', ' ');
}

function unique(lines: readonly string[]): string[] {
  return [...new Set(lines)];
}
