import type { TrustDomain } from '../../spiffe/index.ts';
import { type OwnTrustPolling, pollOwnTrust } from '../contract/poll-own-trust.ts';
import { expectServer, notedServer } from './expected-server.ts';
import { parseOwnBundle } from './render.ts';
import type { SpireAccess } from './spire-access.ts';
import { withSpire } from './spire-server.ts';

/**
 * Reports the own trust now and every `pollMs` until the signal aborts; SPIRE's API has no watch.
 */
export async function readOwnTrust({
  access,
  ownedFile,
  trustDomain,
  ...polling
}: OwnTrustPolling & {
  readonly access: SpireAccess;
  readonly ownedFile: string;
  readonly trustDomain: TrustDomain | undefined;
}): Promise<void> {
  const fetch = (signal: AbortSignal) =>
    withSpire(access, { clock: polling.clock, signal }, async (server) =>
      expectServer(parseOwnBundle(await server.ownBundle()), trustDomain, await notedServer(ownedFile)),
    );
  await pollOwnTrust(fetch, polling);
}
