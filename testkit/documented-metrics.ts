import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const PAGE = resolve(import.meta.dirname, '../docs/operations.md');

/** One row of a table of metrics in docs/operations.md. */
export interface DocumentedMetric {
  readonly name: string;
  readonly labels: readonly string[];
  readonly kind: string;
}

/** The metrics of the table whose first column has that heading, such as `of an agent`. */
export function documentedMetrics(heading: string): readonly DocumentedMetric[] {
  const [, after = ''] = readFileSync(PAGE, 'utf8').split(`| ${heading} |`);
  const [table = ''] = after.split('\n\n');
  return table
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) => {
      const [, metric = '', kind = ''] = line.split('|').map((cell) => cell.trim());
      const [, name = '', labels = ''] = /^`(\w+)(?:\{([\w,]+)\})?`$/.exec(metric) ?? [];
      return { name, labels: labels === '' ? [] : labels.split(','), kind };
    });
}
