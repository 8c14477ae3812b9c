import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';
import { createHostLookup } from '../../../src/federation/fetch/host-lookup.ts';
import type { FederationOptions } from '../../../src/federation/index.ts';
import {
  bundleOf,
  parseSpiffeId,
  parseTrustDomain,
  serializeBundle,
  type TrustBundle,
  type X509Authority,
} from '../../../src/spiffe/index.ts';
import { answers, type Answer } from '../../../testkit/fake-peer.ts';
import { FakeNameServer } from '../../../testkit/fake-name-server.ts';
import { endpointOf, type Surroundings } from '../../../testkit/hostile-identities.ts';
import { HostilePeer } from '../../../testkit/hostile-peer.ts';
import { createTestCa, TEST_INSTANT } from '../../../testkit/test-ca.ts';
import { AgentWorld, overSpiffe, peerName } from '../agent-world.ts';

export const ownName = parseTrustDomain('own.example');
export const otherName = parseTrustDomain('other.example');

/** The sequence of the bundle that we hold of the peer when it begins to misbehave. */
export const HELD_SEQUENCE = 5n;

/** Relationships of a world, each of which sleeps until its next poll. */
export const POLLERS = 2;

/** The CAs that everything in a test is made with. */
export async function createSurroundings(): Promise<Surroundings> {
  const [peerCa, otherCa, ownCa] = await Promise.all([
    createTestCa({ trustDomain: peerName }),
    createTestCa({ trustDomain: otherName }),
    createTestCa({ trustDomain: ownName }),
  ]);
  return { peerCa, otherCa, ownCa };
}

/** The document of a bundle. */
export function documentOf(bundle: TrustBundle): string {
  return Buffer.from(serializeBundle(bundle)).toString();
}

/** Serves the peer's bundle with these roots. */
export function serving(roots: readonly X509Authority[], rest: Parameters<typeof bundleOf>[2] = {}): Answer {
  return answers.document(documentOf(bundleOf(peerName, roots, rest)));
}

/**
 * A running agent that federates with a peer, which can misbehave, and with another one, which does not; everything the
 * agent reads from the network is counted.
 */
export class HostileWorld {
  readonly agents: AgentWorld;
  readonly peer: HostilePeer;
  /** The peer that behaves. */
  readonly other: HostilePeer;
  readonly around: Surroundings;
  readonly names: FakeNameServer;
  /** The connections that the agent opened, in order. */
  readonly #sockets: Socket[] = [];
  readonly #onSocket: (message: unknown) => void;

  private constructor(
    agents: AgentWorld,
    peer: HostilePeer,
    other: HostilePeer,
    around: Surroundings,
    names: FakeNameServer,
  ) {
    this.agents = agents;
    this.peer = peer;
    this.other = other;
    this.around = around;
    this.names = names;
    this.#onSocket = (message) => {
      if (typeof message === 'object' && message !== null && 'socket' in message)
        this.#sockets.push(message.socket as Socket);
    };
    subscribe('net.client.socket', this.#onSocket);
  }

  static async start(around: Surroundings, options: Partial<FederationOptions> = {}): Promise<HostileWorld> {
    const { peerCa, otherCa, ownCa } = around;
    const held = bundleOf(peerName, [peerCa.authority], { sequence: HELD_SEQUENCE });
    const names = await FakeNameServer.start(
      { 'metadata.example': '169.254.169.254', 'inside.example': '10.0.0.1' },
      (question) => question.endsWith('silent.example'),
    );
    const lookup = createHostLookup({
      servers: [names.server],
      localNames: () => Promise.resolve({ addresses: new Map(), searchDomains: [], minDots: 1 }),
    });
    const agents = await AgentWorld.start(TEST_INSTANT, { lookup, ...options });
    agents.own = ownCa.bundle();
    const peer = await HostilePeer.start({
      identity: await endpointOf(peerCa),
      answer: answers.document(documentOf(held)),
    });
    // It answers, because retries would be counted as connections to the peer that misbehaves.
    const other = await HostilePeer.start({
      identity: await endpointOf(otherCa),
      answer: answers.document(documentOf(otherCa.bundle())),
    });
    const world = new HostileWorld(agents, peer, other, around, names);
    const byFile = { actor: 'operator:1000', profile: overSpiffe } as const;
    await agents.federation.relationships.add({
      ...byFile,
      trustDomain: peerName,
      endpointUrl: peer.fake.url(),
      bootstrap: { kind: 'bundle', document: Buffer.from(documentOf(held)) },
    });
    await agents.federation.relationships.add({
      actor: byFile.actor,
      profile: { kind: 'https_spiffe', endpointId: parseSpiffeId(`spiffe://${otherName}/endpoint`) },
      trustDomain: otherName,
      endpointUrl: other.fake.url(),
      bootstrap: { kind: 'bundle', document: Buffer.from(documentOf(otherCa.bundle())) },
    });
    await agents.clock.untilSleeping(POLLERS);
    return world;
  }

  /** Bytes that the agent has read from the network, and the connections it opened, since `mark`. */
  readSince(mark: number): { readonly bytes: number; readonly connections: number } {
    const sockets = this.#sockets.slice(mark);
    return { bytes: sockets.reduce((sum, { bytesRead }) => sum + bytesRead, 0), connections: sockets.length };
  }

  /** For `readSince`. */
  mark(): number {
    return this.#sockets.length;
  }

  /** The peer's events since `from`, oldest first, as `kind code`. */
  async events(from = 0): Promise<string[]> {
    const events = await this.agents.store.events({ trustDomain: peerName });
    return events
      .map(({ kind, code }) => [kind, code].filter((word) => word !== undefined).join(' '))
      .reverse()
      .slice(from);
  }

  /**
   * Polls the peer once, and gives the outcome. With `waitsMs` the test clock is moved on by that much once `stage` has been
   * reached, and a poll that ended a millisecond before is an error; without it the clock stands still.
   */
  async poll({ waitsMs = 0, stage = () => true }: { waitsMs?: number; stage?: () => boolean } = {}) {
    const { clock } = this.agents;
    let ended = false;
    const polling = this.agents.poll().finally(() => {
      ended = true;
    });
    if (waitsMs > 0) {
      while (!stage()) await turn();
      for (let count = 0; count < TURNS_TO_ARRIVE; count += 1) await turn();
      await clock.advance(waitsMs - 1);
      if (ended) throw new Error(`the poll ended before ${waitsMs} ms had passed`);
      await clock.advance(1);
    }
    return polling;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    unsubscribe('net.client.socket', this.#onSocket);
    await this.agents[Symbol.asyncDispose]();
    await this.peer[Symbol.asyncDispose]();
    await this.other[Symbol.asyncDispose]();
    await this.names[Symbol.asyncDispose]();
  }
}

/** What was written on loopback has been read by then. */
const TURNS_TO_ARRIVE = 200;
const turn = () => new Promise((resolve) => setImmediate(resolve));
