import type { Context } from 'hono';
import { z } from 'zod';
import { AdminError } from './errors.ts';

/** The body of a request, as `schema` has it. Throws `AdminError` `request-invalid`. */
export async function readBody(context: Context, schema: z.ZodType): Promise<unknown> {
  let body: unknown;
  try {
    body = await context.req.json();
  } catch (cause) {
    throw new AdminError('request-invalid', 'the request body is not JSON', { cause });
  }
  return checked(schema, body);
}

/**
 * The query of a request, as `schema` has it; other names in it are ignored. Throws `AdminError`
 * `request-invalid`.
 */
export function readQuery(context: Context, schema: z.ZodType): unknown {
  return checked(schema, context.req.query());
}

function checked(schema: z.ZodType, value: unknown): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new AdminError('request-invalid', `the request is not understood: ${z.prettifyError(result.error)}`);
}
