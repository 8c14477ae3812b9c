/**
 * Rows as aligned columns under their headings, two spaces apart. Only the last column may overflow
 * `width`; it is then cut with an ellipsis, as the rows are for people and `--output json` has
 * everything.
 */
export function renderTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  width = 80,
): string {
  const all = [headings, ...rows];
  const widths = headings.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const lines = all.map((row) => {
    const line = headings
      .map((_, column) => (row[column] ?? '').padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
    return line.length > width ? `${line.slice(0, width - 1)}…` : line;
  });
  return lines.join('\n');
}

/** Renders one thing in full: names and values in two columns. Long values stay whole. */
export function renderFields(
  fields: readonly (readonly [name: string, value: string | undefined])[],
): string {
  const present = fields.filter((field): field is readonly [string, string] => field[1] !== undefined);
  const width = Math.max(0, ...present.map(([name]) => name.length));
  return present.map(([name, value]) => `${name.padEnd(width)}  ${value}`).join('\n');
}
