import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import { defaultFetchLimits, type FetchLimits } from '../../../src/federation/fetch/fetch-limits.ts';
import type { FakePeer } from '../../../testkit/fake-peer.ts';
import type { Surroundings } from '../../../testkit/hostile-identities.ts';
import type { Deed } from '../../../testkit/hostile-peer.ts';
import { peerName } from '../agent-world.ts';
import { HostileWorld, POLLERS } from './hostile-world.ts';

/** What one poll may cost in these tests; the times are those of production. */
export const LIMITS: FetchLimits = { ...defaultFetchLimits, maxBodyBytes: 64 * 1024 };

/** A long handshake, head and body at their limits twice over for their framing, and what one read may bring beyond it. */
function mostBytesRead({ maxHeaderBytes, maxBodyBytes }: FetchLimits): number {
  return 64 * 1024 + 2 * (maxHeaderBytes + maxBodyBytes) + 2 * 64 * 1024;
}

/** One thing a hostile peer does, and what comes of it. */
export interface HostileCase {
  /** Completes the sentence "an endpoint that …". */
  readonly does: string;
  readonly deed: (world: HostileWorld) => Deed | Promise<Deed>;
  /** The code of the outcome, of the state's reason and of the one event. */
  readonly code: string;
  /** The event; an endpoint that gives no document counts as unreachable. */
  readonly event?: 'endpoint-unreachable' | 'bundle-refused' | 'bundle-quarantined';
  /** The limit that ends it, and at which stage the poll then is; without it no time passes. */
  readonly endedBy?: keyof typeof STAGES;
  /** Connections that one poll makes; default one. */
  readonly connections?: number;
  /** Another limit of the body than that of `LIMITS`. */
  readonly maxBodyBytes?: number;
}

/** By which sign the peer knows that the poll has come to the stage that this limit is about. */
const STAGES = {
  tlsMs: (peer: FakePeer) => peer.openConnections > 0,
  firstByteMs: (peer: FakePeer) => peer.requests.length > 0,
  totalMs: (peer: FakePeer) => peer.requests.length > 0,
  connectMs: (peer: FakePeer) => peer.requests.length > 0,
} as const;

const OUTCOMES = {
  'endpoint-unreachable': 'failed',
  'bundle-refused': 'failed',
  'bundle-quarantined': 'quarantined',
} as const;

/** What is left of two polls of a peer that misbehaved, and of one more after that. */
interface Aftermath {
  readonly outcomes: readonly string[];
  readonly state: string;
  /** New events, oldest first, and how often the incident repeated. */
  readonly events: readonly string[];
  readonly repeated: number | undefined;
  readonly lastGoodStays: boolean;
  /** As soon as the peer behaves again. */
  readonly afterwards: readonly string[];
}

/** The aftermath of a peer that did no harm: one event, the last good bundle, and all is well when it behaves. */
export function harmless({ code, event = 'endpoint-unreachable' }: HostileCase): Aftermath {
  const outcome = code === 'sequence-rolled-back' ? 'refused' : OUTCOMES[event];
  return {
    outcomes: [`${outcome} ${code}`, `${outcome} ${code}`],
    state: `${event === 'bundle-quarantined' ? 'quarantined' : 'failing'} ${code}`,
    events: [`${event} ${code}`],
    repeated: 2,
    lastGoodStays: true,
    afterwards: ['unchanged', 'active', 'recovered'],
  };
}

/**
 * Has a peer that passed do this, polls it twice, and has it behave again. On the way each poll must end within its limits of
 * time, of connections and of bytes, leave one log record, and neither a connection nor a timer.
 */
export async function aftermathOf(around: Surroundings, row: HostileCase): Promise<Aftermath> {
  const limits = { ...LIMITS, maxBodyBytes: row.maxBodyBytes ?? LIMITS.maxBodyBytes };
  await using world = await HostileWorld.start(around, { fetchLimits: limits });
  const { agents, peer } = world;
  expect(await world.poll()).toBe('unchanged');
  const before = await trustOf(world);
  const seen = (await world.events()).length;

  peer.misbehave(await row.deed(world));
  const outcomes = [await boundedPoll(world, row, limits), await boundedPoll(world, row, limits)];
  const state = agents.state();
  const events = await world.events(seen);
  const [incident] = await agents.store.incidents({ trustDomain: peerName, open: true });
  const lastGoodStays = isDeepStrictEqual(await trustOf(world), before);

  peer.behave();
  const outcome = await world.poll();
  const afterwards = [outcome, agents.state(), ...(await world.events(seen + events.length)).map(firstWord)];
  return { outcomes, state, events, repeated: incident?.count, lastGoodStays, afterwards };
}

async function boundedPoll(world: HostileWorld, row: HostileCase, limits: FetchLimits): Promise<string> {
  const { agents, peer } = world;
  const mark = world.mark();
  const logged = agents.log.records.length;
  peer.fake.requests.length = 0;
  const { endedBy } = row;
  const outcome = await world.poll(
    endedBy ? { waitsMs: limits[endedBy], stage: () => STAGES[endedBy](peer.fake) } : {},
  );
  const { bytes, connections } = world.readSince(mark);
  expect(connections).toBe(row.connections ?? 1);
  expect(bytes).toBeLessThanOrEqual(mostBytesRead(limits) * connections);
  await peer.fake.until(({ openConnections }) => openConnections === 0);
  await agents.clock.untilSleeping(POLLERS);
  expect(agents.clock.waits()).toHaveLength(POLLERS);
  const records = agents.log.records.slice(logged).filter(({ message }) => message === 'bundle fetch');
  expect(records).toMatchObject([{ level: 'warn', fields: { code: row.code } }]);
  return outcome;
}

/** Everything that is trusted, in memory and on disk, and everything that ever was. */
async function trustOf({ agents }: HostileWorld): Promise<unknown> {
  const { store } = agents;
  return [agents.trusted(), await store.currentAll(), await store.history(peerName), agents.changes.length];
}

const firstWord = (event: string) => event.split(' ')[0] ?? '';
