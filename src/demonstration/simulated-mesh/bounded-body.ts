import type { Context } from 'hono';

/**
 * Reads the text of a request's body; undefined when it has more than `maxBytes`, and then reading
 * stops. Because hono's own `bodyLimit` makes a new `Request` of a body without a length, it fails
 * unless the globals are replaced.
 */
export async function readBoundedBody(context: Context, maxBytes: number): Promise<string | undefined> {
  const { body } = context.req.raw;
  if (!body) return '';
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
