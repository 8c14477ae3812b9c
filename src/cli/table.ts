import { padded, type View, widthOf } from './view.ts';

/** The least room that is worth a column; a narrower terminal gets rows as fields. */
const LEAST_ROOM = 20;

/**
 * Rows as aligned columns under their headings, two spaces apart. On a terminal that is too narrow
 * the words of the last column continue below themselves, or each row becomes fields. A file gets
 * whole lines.
 */
export function renderTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  view: View,
): string {
  const widths = tableWidths(headings, rows);
  const room = roomOfLast(widths, view.columns);
  if (room < Math.min(LEAST_ROOM, widths.at(-1) ?? 0)) return rowsAsFields(headings, rows, view);
  const line = (cells: readonly string[]) => {
    const before = headings
      .slice(0, -1)
      .map((_, column) => `${padded(cells[column] ?? '', widths[column] ?? 0)}  `);
    const indent = ' '.repeat(widthOf(before.join('')));
    return (before.join('') + wrap(cells[headings.length - 1] ?? '', room).join(`\n${indent}`)).trimEnd();
  };
  return [line(headings.map((heading) => view.paint('bold', heading))), ...rows.map(line)].join('\n');
}

/** Whether the table has no line that is longer than the terminal is wide. */
export function tableFits(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  columns: number,
): boolean {
  const widths = tableWidths(headings, rows);
  return (widths.at(-1) ?? 0) <= roomOfLast(widths, columns);
}

function tableWidths(headings: readonly string[], rows: readonly (readonly string[])[]): number[] {
  return headings.map((heading, column) =>
    Math.max(widthOf(heading), ...rows.map((row) => widthOf(row[column] ?? ''))),
  );
}

function roomOfLast(widths: readonly number[], columns = Number.POSITIVE_INFINITY): number {
  return columns - widths.slice(0, -1).reduce((sum, width) => sum + width + 2, 0);
}

function rowsAsFields(headings: readonly string[], rows: readonly (readonly string[])[], view: View): string {
  return rows
    .map((row) =>
      renderFields(
        headings.map((heading, column) => [heading, row[column]] as const),
        view,
      ),
    )
    .join('\n\n');
}

/**
 * Renders one thing in full: names and values in two columns. The words of a long value continue
 * below themselves on a terminal; a file gets whole lines.
 */
export function renderFields(
  fields: readonly (readonly [name: string, value: string | undefined])[],
  view: View,
): string {
  const present = fields.filter((field): field is readonly [string, string] => field[1] !== undefined);
  const width = Math.max(0, ...present.map(([name]) => widthOf(name)));
  const room = (view.columns ?? Number.POSITIVE_INFINITY) - width - 2;
  const indent = ' '.repeat(width + 2);
  return present
    .map(
      ([name, value]) =>
        `${view.paint('bold', name)}${' '.repeat(width - widthOf(name))}  ${wrap(value, room).join(`\n${indent}`)}`,
    )
    .join('\n');
}

/** A line whose words continue below `indent` spaces where the terminal ends. */
export function hanging(text: string, indent: number, view: View): string {
  const [first = '', ...rest] = wrap(text, view.columns ?? Number.POSITIVE_INFINITY);
  if (rest.length === 0) return first;
  const below = wrap(rest.join(' '), (view.columns ?? Number.POSITIVE_INFINITY) - indent);
  return [first, ...below.map((line) => ' '.repeat(indent) + line)].join('\n');
}

/**
 * Lines of at most `width` columns, broken between words. A longer word stays whole, and so does
 * everything where there is no room worth it.
 */
export function wrap(text: string, width: number): string[] {
  if (width < LEAST_ROOM || widthOf(text) <= width) return [text];
  const [first = '', ...words] = text.split(' ');
  const lines: string[] = [];
  let line = first;
  for (const word of words) {
    if (line.trim() !== '' && widthOf(line) + 1 + widthOf(word) > width) {
      lines.push(line);
      line = word;
    } else line = `${line} ${word}`;
  }
  return [...lines, line];
}
