import { generateKeyPairSync } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import { defaultFetchLimits } from '../../../src/federation/fetch/fetch-limits.ts';
import { parseTrustDomain, serializeBundle, type TrustDomain } from '../../../src/spiffe/index.ts';
import { answers, FakePeer } from '../../../testkit/fake-peer.ts';
import { hostileAnswers } from '../../../testkit/hostile-answers.ts';
import { endpointOf, type Surroundings } from '../../../testkit/hostile-identities.ts';
import { AgentWorld, overSpiffe } from '../agent-world.ts';
import { TEST_INSTANT } from '../../../testkit/test-ca.ts';
import { createSurroundings, documentOf } from './hostile-world.ts';

let around: Surroundings;

beforeAll(async () => {
  around = await createSurroundings();
});

const HINT_MS = 60_000;
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** A bundle of this trust domain alone, with the hint that every peer here gives. */
function documentFor(name: TrustDomain): Buffer {
  const jwk = generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }) as Record<string, string>;
  return Buffer.from(
    serializeBundle({
      trustDomain: name,
      x509Authorities: [],
      jwtAuthorities: [{ keyId: 'key', jwk }],
      sequence: 1n,
      refreshHintSeconds: HINT_MS / 1000,
    }),
  );
}

/** An agent that federates with `hostile` and `honest` trust domains, each kind served by one host; and with that host's. */
class Crowd {
  readonly agents: AgentWorld;
  /** When each honest peer was asked, in milliseconds of the test clock. */
  readonly asked: number[] = [];
  /** The most connections the hostile ones held at once. */
  most = 0;
  readonly #hosts: { readonly hostile: FakePeer; readonly honest: FakePeer };
  #refused = false;

  private constructor(agents: AgentWorld, hosts: { hostile: FakePeer; honest: FakePeer }) {
    this.agents = agents;
    this.#hosts = hosts;
  }

  static async start(options: { hostile: number; honest: number; concurrency: number }): Promise<Crowd> {
    const identity = await endpointOf(around.peerCa);
    const hosts = { hostile: await FakePeer.start(identity), honest: await FakePeer.start(identity) };
    const agents = await AgentWorld.start(TEST_INSTANT, { concurrency: options.concurrency });
    const crowd = new Crowd(agents, hosts);
    const documents = new Map<string, Buffer>();
    for (const host of Object.values(hosts))
      host.answer = (socket, request, reset) =>
        answers.document(documents.get(request.path) ?? '')(socket, request, reset);
    const add = async (kind: 'hostile' | 'honest', trustDomain: TrustDomain, document: Buffer) => {
      const path = `/${trustDomain}`;
      documents.set(path, document);
      await agents.federation.relationships.add({
        trustDomain,
        profile: overSpiffe,
        endpointUrl: hosts[kind].url(path),
        bootstrap: { kind: 'bundle', document },
        actor: 'operator:1000',
      });
    };
    const { peerCa } = around;
    await add(
      'honest',
      peerCa.trustDomain,
      Buffer.from(documentOf({ ...peerCa.bundle(1n), refreshHintSeconds: 3600 })),
    );
    // The hostile ones first: they are in front whenever all are due at once.
    for (const kind of ['hostile', 'honest'] as const)
      for (let index = 0; index < options[kind]; index += 1) {
        const name = parseTrustDomain(`${kind}-${index}.example`);
        await add(kind, name, documentFor(name));
      }
    await agents.clock.untilSleeping(1 + options.hostile + options.honest);
    return crowd;
  }

  /** From now on every hostile peer sends half a body and nothing more, for as long as it is let. */
  turnHostile(): void {
    const { hostile, honest } = this.#hosts;
    this.#refused = true;
    const hang = hostileAnswers.hangInBody('{"keys":[]}'.padEnd(1000));
    hostile.answer = (socket, request, reset) => {
      this.most = Math.max(this.most, hostile.openConnections);
      hang(socket, request, reset);
    };
    const good = honest.answer;
    honest.answer = (socket, request, reset) => {
      this.asked.push(this.agents.clock.monotonicMs());
      good(socket, request, reset);
    };
  }

  /** Moves time on to `untilMs`, from one thing that is due to the next, and lets each of them come to where it waits. */
  async runUntil(untilMs: number): Promise<void> {
    const { clock } = this.agents;
    for (;;) {
      await this.#settle();
      const [nextMs = Number.POSITIVE_INFINITY] = clock.waits();
      const leftMs = untilMs - clock.monotonicMs();
      if (leftMs <= 0) return;
      await clock.advance(Math.min(nextMs, leftMs));
    }
  }

  /** Until every connection stands where it will stand while the clock does. */
  async #settle(): Promise<void> {
    const { hostile, honest } = this.#hosts;
    const state = () =>
      [hostile, honest]
        .flatMap((each) => [each.connections, each.requests.length, each.openConnections])
        .join();
    for (let quiet = 0, before = ''; quiet < QUIET_TURNS; ) {
      await turn();
      const now = state();
      const arrived =
        hostile.requests.length === hostile.connections &&
        honest.openConnections === 0 &&
        (this.#refused || hostile.openConnections === 0);
      quiet = arrived && now === before ? quiet + 1 : 0;
      before = now;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.agents[Symbol.asyncDispose]();
    await this.#hosts.hostile.close();
    await this.#hosts.honest.close();
  }
}

const QUIET_TURNS = 60;

describe('Federation polls the honest peers on time (invariant 7)', () => {
  it('when all are honest: at the hint of each (the valid twin)', async () => {
    await using crowd = await Crowd.start({ hostile: 0, honest: 3, concurrency: 2 });
    crowd.turnHostile();
    await crowd.runUntil(2 * HINT_MS);
    expect(crowd.asked).toEqual([60_000, 60_000, 60_000, 120_000, 120_000, 120_000]);
  });

  it('when six times as many as there are slots hang: half a second each in the first round, and none after it', async () => {
    await using crowd = await Crowd.start({ hostile: 12, honest: 2, concurrency: 2 });
    crowd.turnHostile();
    await crowd.runUntil(4 * HINT_MS - 1);
    const [first, ...later] = Array.from({ length: 3 }, (_, round) =>
      crowd.asked.slice(2 * round, 2 * round + 2),
    );
    // Twelve in pairs, half a second each, are before them once; nobody knew yet that they would hang.
    expect(first).toEqual([63_000, 63_000]);
    // From their own last poll a minute each, to the millisecond.
    expect(later).toEqual([
      [123_000, 123_000],
      [183_000, 183_000],
    ]);
    expect(crowd.most).toBeLessThanOrEqual(12);
    const states = crowd.agents.federation.peers
      .status()
      .map(({ trustDomain, state }) => `${trustDomain} ${state}`);
    expect(states.filter((each) => each.endsWith('failing'))).toHaveLength(12);
    expect(states.filter((each) => each.endsWith('active'))).toHaveLength(3);
  });

  it('when all are asked at once again: the known ones wait for each other, and nobody for them', async () => {
    await using crowd = await Crowd.start({ hostile: 12, honest: 2, concurrency: 2 });
    crowd.turnHostile();
    await crowd.runUntil(100_000);
    crowd.asked.length = 0;
    const refreshing = crowd.agents.federation.peers.poll();
    await crowd.runUntil(110_000);
    expect(crowd.asked).toEqual([100_000, 100_000, 100_000]);
    const outcomes = (await refreshing).map(({ outcome }) => outcome.kind);
    expect(outcomes.toSorted()).toEqual([
      ...Array.from({ length: 12 }, () => 'failed'),
      ...Array.from({ length: 3 }, () => 'unchanged'),
    ]);
  });

  it('when many more hang than both lanes hold: late once, by the time-outs of those in front, and never again', async () => {
    await using crowd = await Crowd.start({ hostile: 30, honest: 1, concurrency: 1 });
    crowd.turnHostile();
    await crowd.runUntil(6 * HINT_MS);
    const [first = 0, ...later] = crowd.asked;
    // Thirty, nine at a time, ten seconds each.
    expect(first - HINT_MS).toBeLessThanOrEqual(4 * defaultFetchLimits.totalMs);
    expect(later.map((at, index) => at - (crowd.asked[index] ?? 0))).toEqual(later.map(() => HINT_MS));
    expect(later.length).toBeGreaterThanOrEqual(3);
    // One brisk slot and eight slow ones.
    expect(crowd.most).toBeLessThanOrEqual(9);
  });
});
