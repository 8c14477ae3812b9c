import {
  type AddRequest,
  createHostLookup,
  defaultFetchLimits,
  defaultRedirectSettings,
  defaultScheduleSettings,
  Federation,
  type FederationOptions,
} from '../../src/federation/index.ts';
import { createMetrics } from '../../src/platform/index.ts';
import {
  bundleOf,
  defaultBundleLimits,
  parseSpiffeId,
  parseTrustDomain,
  serializeBundle,
  type TrustBundle,
  type TrustDomain,
} from '../../src/spiffe/index.ts';
import { type Store } from '../../src/store/index.ts';
import { type Answer, answers, type FakePeer } from '../../testkit/fake-peer.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import type { Authority } from './authority.ts';

export const peerName = parseTrustDomain('peer.example');
export const endpointId = parseSpiffeId('spiffe://peer.example/endpoint');
export const overWeb = { kind: 'https_web' } as const;
export const overSpiffe = { kind: 'https_spiffe', endpointId } as const;

/** One agent with a standing clock, a store and a log that can be looked into. */
export class AgentWorld {
  readonly clock: TestClock;
  readonly log = createRecordingLog();
  readonly metrics = createMetrics({ processMetrics: false });
  readonly store: Store;
  /** Every change the agent announced: the trust domain and how many roots it has now. */
  readonly changes: [TrustDomain, number | undefined][] = [];
  federation: Federation;
  own: TrustBundle | undefined;
  readonly #options: Partial<FederationOptions>;

  private constructor(now: Date, store: Store, options: Partial<FederationOptions>) {
    this.clock = new TestClock(now);
    this.store = store;
    this.#options = options;
    this.federation = this.#create();
  }

  /** An agent that does not run yet, on a SQLite store of its own. */
  static async create(now: Date, options: Partial<FederationOptions> = {}): Promise<AgentWorld> {
    const store = await openTestStore();
    return new AgentWorld(now, store, options);
  }

  /** An agent that runs. */
  static async start(now: Date, options: Partial<FederationOptions> = {}): Promise<AgentWorld> {
    return (await AgentWorld.create(now, options)).start();
  }

  #create(): Federation {
    const federation = new Federation({
      store: this.store,
      clock: this.clock,
      log: this.log,
      own: () => this.own,
      random: { fraction: () => 0, bytes: () => new Uint8Array() },
      metrics: createMetrics({ processMetrics: false }),
      fetchLimits: defaultFetchLimits,
      bundleLimits: defaultBundleLimits,
      redirects: defaultRedirectSettings,
      schedule: defaultScheduleSettings,
      watch: { seconds: 300, most: 256 },
      concurrency: 10,
      lookup: createHostLookup(),
      ...this.#options,
    });
    federation.bundles.onChange((trustDomain, bundle) =>
      this.changes.push([trustDomain, bundle?.x509Authorities.length]),
    );
    return federation;
  }

  async start(): Promise<this> {
    await this.federation.start(new AbortController().signal);
    return this;
  }

  /** Stops the agent and starts another one on the same store. */
  async restart(): Promise<void> {
    await this.federation.stop();
    this.federation = this.#create();
    await this.start();
  }

  /** The fingerprints that are trusted for the peer, sorted. */
  trusted(trustDomain: TrustDomain = peerName): string[] | undefined {
    return this.federation.bundles
      .bundleFor(trustDomain)
      ?.x509Authorities.map(({ fingerprint }) => fingerprint)
      .sort();
  }

  /** The state of the peer and the code of its reason. */
  state(trustDomain: TrustDomain = peerName): string {
    const status = this.federation.peers.status().find((each) => each.trustDomain === trustDomain);
    return [status?.state ?? 'none', status?.stateReason?.code]
      .filter((word) => word !== undefined)
      .join(' ');
  }

  /** Polls the peer now, and says what came of it. */
  async poll(trustDomain: TrustDomain = peerName): Promise<string> {
    const [result] = await this.federation.peers.poll(trustDomain);
    if (!result) throw new Error('a poll of one peer has one result');
    const { outcome } = result;
    return 'code' in outcome ? `${outcome.kind} ${outcome.code}` : outcome.kind;
  }

  /** Moves time on until a further poll has ended. */
  async pollAfter(ms: number, peer: FakePeer): Promise<void> {
    const seen = peer.connections;
    await this.clock.untilSleeping(1);
    await this.clock.advance(ms);
    await peer.until(({ connections, openConnections }) => connections > seen && openConnections === 0);
    await this.clock.untilSleeping(1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.federation.stop();
    await this.store.close();
  }
}

type Rest = { sequence?: bigint; refreshHintSeconds?: number };

/** The document of the peer's bundle with these roots. */
export function documentOf(
  authorities: readonly Authority[],
  rest: Rest = {},
  trustDomain = peerName,
): string {
  const roots = authorities.map(({ x509 }) => x509);
  return Buffer.from(serializeBundle(bundleOf(trustDomain, roots, rest))).toString();
}

/** Serves the peer's bundle with these roots. */
export function serve(authorities: readonly Authority[], rest: Rest = {}, trustDomain = peerName): Answer {
  return answers.document(documentOf(authorities, rest, trustDomain));
}

/** A request to federate with the peer over `https_spiffe`, with its bundle as a file. */
export function addWithBundle(
  peer: FakePeer,
  authorities: readonly Authority[],
  rest: Rest = {},
): AddRequest {
  return {
    trustDomain: peerName,
    endpointUrl: peer.url(),
    profile: overSpiffe,
    bootstrap: { kind: 'bundle', document: Buffer.from(documentOf(authorities, rest)), name: 'peer.json' },
    actor: 'operator:1000',
  };
}
