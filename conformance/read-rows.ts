import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';

const rowSchema = z.strictObject({
  /** As the standard's keyword, or what stands in for one: RFC, ADVICE, SILENT. */
  level: z.string().regex(/^(MUST|SHOULD|MAY|RFC|ADVICE|SILENT)( \/ (MUST|SHOULD|MAY|RFC))*$/),
  /** What the row asks, in our own words. */
  asks: z.string().min(1),
  /** SILENT rows: what we do where the standard leaves it to us. */
  choice: z.string().min(1).optional(),
  /** The choice is another one than the list of rows suggests: docs/divergences.md says why. */
  differs: z.literal(true).optional(),
  /** Why no test keeps it: the part that we do not have, or why nothing can be broken. */
  notApplicable: z.string().min(1).optional(),
});
const listSchema = z.array(z.strictObject({ section: z.string(), rows: z.record(z.string(), rowSchema) }));

/** One row of the conformance list. */
export interface ConformanceRow extends Readonly<z.infer<typeof rowSchema>> {
  /** For instance `FED-34`. */
  readonly id: string;
}

/** Rows that belong together, under the title of their section. */
export interface ConformanceSection {
  readonly title: string;
  readonly rows: readonly ConformanceRow[];
}

/**
 * Reads `conformance/rows.yaml`.
 *
 * @throws ZodError or YAMLParseError, if the file is not of its shape (a row given twice included)
 */
export function readRows(path: string): ConformanceSection[] {
  return listSchema.parse(parse(readFileSync(path, 'utf8'))).map(({ section, rows }) => ({
    title: section,
    rows: Object.entries(rows).map(([id, row]) => ({ id, ...row })),
  }));
}
