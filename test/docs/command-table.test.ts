import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { main } from '../../src/cli/main.ts';

const BEGIN = '<!-- commands:begin -->';
const END = '<!-- commands:end -->';

/** The rows of `federate --help`: each command without its options, and what it does. */
async function commands(): Promise<{ readonly name: string; readonly purpose: string }[]> {
  let help = '';
  const code = await main(['--help'], { out: (text) => (help += text), err: () => undefined });
  expect(code).toBe(0);
  const section = help.split('\nCommands:\n')[1]?.split('\n\n')[0] ?? '';
  // A command begins two spaces from the edge; what is further in continues its description.
  return section
    .split(/\n(?= {2}\S)/)
    .map((row) => /^ {2}(\S.*?)(?: {2,}|\n\s+)([^]*)$/.exec(row))
    .flatMap((row) => (row ? [{ name: row[1] ?? '', purpose: row[2] ?? '' }] : []))
    .map(({ name, purpose }) => ({
      name: name.replace(' [options]', ''),
      purpose: purpose.replaceAll(/\s+/g, ' ').trim(),
    }))
    .filter(({ name }) => !name.startsWith('help'));
}

it('README.md lists the commands as "federate --help" does (npm run docs writes it)', async () => {
  const all = await commands();
  expect(all.length).toBeGreaterThan(20);
  const rows = all.map(
    ({ name, purpose }) =>
      `| \`federate ${name.replaceAll('|', '\\|')}\` | ${purpose.replaceAll('|', '\\|')} |`,
  );
  const table = ['| command | what it does |', '| --- | --- |', ...rows].join('\n');
  const readme = new URL('../../README.md', import.meta.url);
  const [before = '', rest = ''] = readFileSync(readme, 'utf8').split(BEGIN);
  const after = rest.split(END)[1] ?? '';
  await expect(`${before}${BEGIN}\n\n${table}\n\n${END}${after}`).toMatchFileSnapshot('../../README.md');
});
