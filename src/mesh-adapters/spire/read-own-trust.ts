import type { Clock, Random } from '../../platform/index.ts';
import type { AdapterState } from '../adapter-state.ts';
import type { OwnTrust } from '../mesh-adapter.ts';
import { poll } from '../poll.ts';
import { parseOwnBundle } from './render.ts';
import type { SpireAccess } from './spire-access.ts';
import { withSpire } from './spire-server.ts';

/** Tells the own trust now and every `pollMs` until the signal aborts; SPIRE's API has no watch. */
export async function readOwnTrust(options: {
  readonly access: SpireAccess;
  readonly pollMs: number;
  readonly state: AdapterState;
  readonly tell: (own: OwnTrust) => void;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}): Promise<void> {
  const { access, pollMs, state, tell, clock, random, signal } = options;
  await poll({
    look: async (abort) => {
      tell(
        await withSpire(access, { clock, signal: abort }, async (server) =>
          parseOwnBundle(await server.ownBundle()),
        ),
      );
      state.contact('roots');
    },
    everyMs: pollMs,
    onTrouble: (error) => state.trouble('roots', error),
    clock,
    random,
    signal,
  });
}
