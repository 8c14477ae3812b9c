import { z } from 'zod';
import { MeshAdapterError, type MeshAdapterErrorCode } from './errors.ts';

const MOST = 50_000;

/**
 * The value of a mesh in the form of `schema`. Throws `MeshAdapterError` with `code`; its sentence
 * names the first wrong field, and quotes no value, because some are secrets.
 */
export function readAnswer<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  what: string,
  code: MeshAdapterErrorCode = 'mesh-answer-malformed',
): z.output<Schema> {
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  const [issue] = error.issues;
  const field = z.core.toDotPath(issue?.path ?? []).slice(0, 200);
  const why = issue?.message
    .replace(/^Invalid [a-z]+: /, '')
    .replace(/, received undefined$/, ', and it is missing');
  throw new MeshAdapterError(code, `${what} cannot be used: ${field === '' ? '' : `${field}: `}${why}`);
}

/** The value of a JSON text, or undefined where it is not JSON or has another form. */
export function readIfPossible<Schema extends z.ZodType>(
  schema: Schema,
  text: string,
): z.output<Schema> | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/**
 * A list of at most 50,000 elements. Their number is checked before the elements, because each wrong
 * one costs memory for a description.
 */
export function boundedList<Element extends z.ZodType>(element: Element, most = MOST) {
  return z.array(z.unknown()).max(most, `it has more than ${most} elements`).pipe(z.array(element));
}

/** The texts of a list; other elements are left out, and anything else reads as no text. */
export const textsIn = z
  .array(z.unknown())
  .transform((all) => all.filter((each) => typeof each === 'string'))
  .catch([]);
