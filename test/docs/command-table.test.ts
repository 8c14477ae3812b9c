import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { main } from '../../src/cli/main.ts';

const BEGIN = '<!-- commands:begin -->';
const END = '<!-- commands:end -->';

interface Row {
  readonly name: string;
  readonly purpose: string;
}

/** The groups of `federate --help`: each command without its options, and what it does. */
async function groups(): Promise<{ readonly heading: string; readonly rows: readonly Row[] }[]> {
  let help = '';
  const code = await main(['--help'], { out: (text) => (help += `${text}\n`), err: () => undefined });
  expect(code).toBe(0);
  const parts = help.split('\n\n').slice(3, -1);
  return parts.map((part) => {
    const [heading = '', ...lines] = part.split('\n');
    // A command begins two spaces from the edge; what is further in continues its description.
    const rows = lines
      .join('\n')
      .split(/\n(?= {2}\S)/)
      .map((row) => /^ {2}(\S.*?)(?: {2,}|\n\s+)([^]*)$/.exec(row))
      .flatMap((row) => (row ? [{ name: row[1] ?? '', purpose: row[2] ?? '' }] : []))
      .map(({ name, purpose }) => ({ name, purpose: purpose.replaceAll(/\s+/g, ' ').trim() }));
    return { heading: heading.replace(/:$/, ''), rows };
  });
}

it('federate --help has its groups in the order in which a newcomer needs them', async () => {
  const all = await groups();
  expect(all.map(({ heading }) => heading)).toEqual([
    'Start',
    'Relationships',
    'Trust',
    'Services',
    'History',
    'Processes',
  ]);
  const firsts = all.map(({ rows }) => rows[0]?.name.split(' ')[0]);
  expect(firsts).toEqual(['demo', 'invite', 'review', 'service', 'history', 'agent']);
});

it('docs/cli.md lists the commands as "federate --help" does (npm run docs writes it)', async () => {
  const all = await groups();
  expect(all.flatMap(({ rows }) => rows).length).toBeGreaterThan(20);
  const rows = all.flatMap(({ heading, rows: verbs }) => [
    `| **${heading}** | |`,
    ...verbs.map(
      ({ name, purpose }) =>
        `| \`federate ${name.replaceAll('|', '\\|')}\` | ${purpose.replaceAll('|', '\\|')} |`,
    ),
  ]);
  const page = withTable('../../docs/cli.md', ['| command | what it does |', '| --- | --- |', ...rows]);
  await expect(page).toMatchFileSnapshot('../../docs/cli.md');
});

it('README.md names every command in its group (npm run docs writes it)', async () => {
  const all = await groups();
  const rows = all.map(({ heading, rows: verbs }) => {
    const names = verbs.map(({ name }) => `\`${name.split(' ')[0] ?? ''}\``);
    return `| ${heading} | ${names.join(' ')} |`;
  });
  const page = withTable('../../README.md', ['| group | commands |', '| --- | --- |', ...rows]);
  await expect(page).toMatchFileSnapshot('../../README.md');
});

/** Returns a page with this table between its marks. */
function withTable(page: string, lines: readonly string[]): string {
  const [before = '', rest = ''] = readFileSync(new URL(page, import.meta.url), 'utf8').split(BEGIN);
  const after = rest.split(END)[1] ?? '';
  return `${before}${BEGIN}\n\n${lines.join('\n')}\n\n${END}${after}`;
}
