import type { Context } from 'hono';
import { z } from 'zod';
import { CodedError } from '../errors/index.ts';
import { parseInstant } from '../platform/index.ts';

/** The longest reason an operator may give. */
export const MAX_REASON_CHARACTERS = 1000;

/** A question that the admin API cannot answer; 404 for what is not there, else 400. */
export class AdminError extends CodedError<
  'no-bundle' | 'no-such-version' | 'request-invalid' | 'event-kind-unknown'
> {}

/** The body of a request, as `schema` has it. Throws `AdminError` `request-invalid`. */
export async function readBody<Value>(context: Context, schema: z.ZodType<Value>): Promise<Value> {
  let body: unknown;
  try {
    body = await context.req.json();
  } catch (cause) {
    throw new AdminError('request-invalid', 'the request body is not JSON', { cause });
  }
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw new AdminError('request-invalid', `the request is not understood: ${z.prettifyError(result.error)}`);
}

/**
 * Who asks, for the record: `operator:alice`, or `operator:alice as root` behind sudo. The names are the caller's own claim. What the
 * kernel proves is that the caller runs as the agent's own user or as root, because nobody else can open the socket (mode 0600).
 */
export function actorOf(context: Context): string {
  const name = nameIn(context, 'x-federate-operator') ?? 'unknown';
  const as = nameIn(context, 'x-federate-operator-as');
  return `operator:${name}${as === undefined ? '' : ` as ${as}`}`;
}

/** A user name of a header, without what would make it look like another actor. */
function nameIn(context: Context, header: string): string | undefined {
  const text = context.req.header(header);
  if (text === undefined || text === '') return undefined;
  let name: string;
  try {
    name = decodeURIComponent(text);
  } catch {
    return undefined;
  }
  return name.replaceAll(/[^\p{L}\p{N}._@\\+-]/gu, '_').slice(0, 40);
}

/** An instant of the query, ISO 8601 with its zone. Throws `AdminError` `request-invalid`. */
export function instantFrom(text: string): Date {
  const instant = parseInstant(text);
  if (instant) return instant;
  throw new AdminError(
    'request-invalid',
    `${JSON.stringify(text)} is not an instant with its zone, such as 2026-11-21T10:00:00Z`,
  );
}

/** A count of the query, from 1 to 10,000 and 50 where none is given. Throws `AdminError` `request-invalid`. */
export function countFrom(text: string | undefined): number {
  const count = Number(text ?? 50);
  if (!Number.isSafeInteger(count) || count < 1 || count > 10_000) {
    throw new AdminError('request-invalid', `${JSON.stringify(text)} is no whole number from 1 to 10000`);
  }
  return count;
}

type Defined<Value> = { [Key in keyof Value]: Exclude<Value[Key], undefined> };

/** The members that are there: for types that tell a member left out from one that is undefined. */
export function dropUndefined<Value extends object>(value: Value): Defined<Value> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- exactly the undefined members are left out
  return Object.fromEntries(
    Object.entries(value).filter(([, member]) => member !== undefined),
  ) as Defined<Value>;
}
