import type { Context } from 'hono';

/**
 * Who asks, for the record: `operator:alice`, or `operator:alice as root` behind sudo. The names
 * are the caller's own claim. What the kernel proves is that the caller runs as the agent's own
 * user or as root, because nobody else can open the socket (mode 0600).
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
