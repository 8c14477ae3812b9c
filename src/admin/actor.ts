import type { Context, MiddlewareHandler } from 'hono';

const UID = 'callerUid';

/** Reads the caller's proof of its user ID, by the name in the request. */
export type ReadCaller = (name: string) => Promise<number | undefined>;

/** Notes the proved user ID of the caller for `actorOf`, where the request carries a proof. */
export function noteCaller(read: ReadCaller): MiddlewareHandler {
  return async (context, next) => {
    const name = context.req.header('x-federate-caller');
    if (name !== undefined) context.set(UID, await read(name));
    await next();
  };
}

/**
 * The caller, for the record: `operator:alice (uid 1000)`, or `operator:alice as root (uid 0)` behind
 * sudo. The names are the caller's own claim. The user ID is proved by the kernel, and left out
 * where the caller offered no proof (`platform/caller-proof.ts`).
 */
export function actorOf(context: Context): string {
  const name = nameIn(context, 'x-federate-operator') ?? 'unknown';
  const as = nameIn(context, 'x-federate-operator-as');
  const uid: unknown = context.get(UID);
  const proved = typeof uid === 'number' ? ` (uid ${uid})` : '';
  return `operator:${name}${as === undefined ? '' : ` as ${as}`}${proved}`;
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
