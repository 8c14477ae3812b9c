import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** How it went with one program. */
export interface ProgramResult {
  readonly name: string;
  readonly install: string;
  /** Undefined when it was not run. */
  readonly version: string | undefined;
  readonly total: number;
  readonly passed: number;
  readonly failed: readonly { readonly check: string; readonly why: string }[];
}

const PAGE = join(import.meta.dirname, '../../docs/interop.md');
const BEGIN = '<!-- table:begin -->';
const END = '<!-- table:end -->';

/** One line per program, as a table of Markdown, which is one for terminals too. */
export function renderTable(results: readonly ProgramResult[]): string {
  const rows = results.map(({ name, version, total, passed, install }) => [
    name,
    version ?? '–',
    `${total}`,
    version === undefined ? `*not run*: ${install}` : `${passed} of ${total}`,
  ]);
  const all = [['program', 'version', 'checks', 'passed'], ['---', '---', '---', '---'], ...rows];
  return all.map((row) => `| ${row.join(' | ')} |`).join('\n');
}

/** Puts the table into docs/interop.md: programs that ran now, and of the others the line that is there. */
export function writeTable(
  results: readonly ProgramResult[],
  write: (path: string, text: string) => void,
): void {
  const page = readFileSync(PAGE, 'utf8');
  const [before, rest = ''] = page.split(BEGIN) as [string, string?];
  const [table = '', after = ''] = rest.split(END);
  const known = new Map(table.split('\n').map((line) => [line.split('|')[1]?.trim() ?? '', line]));
  const lines = renderTable(results).split('\n');
  const merged = lines.map((line, index) => {
    const result = results[index - 2];
    return result && result.version === undefined ? (known.get(result.name) ?? line) : line;
  });
  // Programs that were not asked for keep their line, in front as before.
  const asked = new Set(['program', ...results.map(({ name }) => name)]);
  const kept = [...known].filter(([name]) => !/^-*$/.test(name) && !asked.has(name)).map(([, line]) => line);
  const all = [...merged.slice(0, 2), ...kept, ...merged.slice(2)];
  write(PAGE, `${before}${BEGIN}\n\n${all.join('\n')}\n\n${END}${after}`);
}
