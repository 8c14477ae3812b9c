import { JsonNumber, type JsonObject, type JsonValue } from '../../spiffe/index.ts';
import { CatalogueError } from './errors.ts';

/** Throws `CatalogueError` `catalogue-malformed`. */
export function malformed(where: string, what: string, cause?: unknown): never {
  throw new CatalogueError('catalogue-malformed', `the catalogue cannot be read: ${where} ${what}`, {
    cause,
  });
}

/** A value for a message, cut to a length that a person reads. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

/** Throws `CatalogueError` `catalogue-malformed`. */
export function objectAt(value: JsonValue | undefined, where: string): JsonObject {
  return value instanceof Map ? value : malformed(where, 'is not an object');
}

/** Throws `CatalogueError` `catalogue-malformed`. */
export function textAt(value: JsonValue | undefined, where: string): string {
  return typeof value === 'string' ? value : malformed(where, 'is not a text');
}

/** A whole number in a range. Throws `CatalogueError` `catalogue-malformed`. */
export function integerAt(
  value: JsonValue | undefined,
  where: string,
  [min, max]: readonly [number, number],
) {
  const integer = value instanceof JsonNumber ? value.integer : undefined;
  if (integer === undefined || integer < BigInt(min) || integer > BigInt(max))
    return malformed(where, `is not a whole number from ${min} to ${max}`);
  return Number(integer);
}

/**
 * Every entry of a list, read by `read`. Throws `CatalogueError` `catalogue-malformed`, and
 * `catalogue-too-large` before it reads the entries.
 */
export function listAt<Entry>(
  value: JsonValue | undefined,
  { where, most }: { readonly where: string; readonly most: number },
  read: (value: JsonValue, where: string) => Entry,
): readonly Entry[] {
  if (!Array.isArray(value)) return malformed(where, 'is not a list');
  if (value.length > most)
    throw new CatalogueError(
      'catalogue-too-large',
      `${where} has at most ${most} entries, this catalogue has ${value.length}`,
    );
  return value.map((each: JsonValue, index) => read(each, `${where}[${index}]`));
}

/** Throws `CatalogueError` `catalogue-duplicate` where a text occurs twice. */
export function checkDistinct(texts: readonly string[], what: string): void {
  const seen = new Set<string>();
  for (const text of texts) {
    if (seen.has(text))
      throw new CatalogueError('catalogue-duplicate', `the catalogue has ${what} ${quoted(text)} twice`);
    seen.add(text);
  }
}
