import { type OwnTrustPolling, pollOwnTrust } from '../poll-own-trust.ts';
import { parseOwnBundle } from './render.ts';
import type { ServerIdentity } from './server-identity.ts';
import type { SpireAccess } from './spire-access.ts';
import { withSpire } from './spire-server.ts';

/** Tells the own trust now and every `pollMs` until the signal aborts; SPIRE's API has no watch. */
export async function readOwnTrust({
  access,
  identity,
  ...polling
}: OwnTrustPolling & { readonly access: SpireAccess; readonly identity: ServerIdentity }): Promise<void> {
  const fetch = (signal: AbortSignal) =>
    withSpire(access, { clock: polling.clock, signal }, async (server) =>
      identity.check(parseOwnBundle(await server.ownBundle())),
    );
  await pollOwnTrust(fetch, polling);
}
