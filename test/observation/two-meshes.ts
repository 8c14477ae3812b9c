import { BundleEndpoint } from '../../src/bundle-endpoint/index.ts';
import { svidFromPem } from '../../src/mtls/index.ts';
import { createHostLookup, defaultFetchLimits } from '../../src/federation/index.ts';
import { Observations } from '../../src/observation/index.ts';
import { createMetrics, silentLog } from '../../src/platform/index.ts';
import {
  bundleOf,
  parseSpiffeId,
  parseTrustDomain,
  serializeBundle,
  type StatementSigner,
  type TrustBundle,
  type TrustDomain,
} from '../../src/spiffe/index.ts';
import { type SignedHead, signHead } from '../../src/store/index.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { AgentWorld } from '../federation/agent-world.ts';

interface NewestHead {
  newest?: SignedHead;
}

/** An agent with an SVID, a store and a real bundle endpoint on loopback, which tells other agents what it saw. */
export class Mesh {
  readonly name: TrustDomain;
  readonly ca: TestCa;
  readonly signer: StatementSigner;
  readonly world: AgentWorld;
  readonly observations: Observations;
  readonly endpoint: BundleEndpoint;
  readonly #head: NewestHead;

  private constructor(
    parts: Pick<Mesh, 'name' | 'ca' | 'signer' | 'world' | 'observations' | 'endpoint'>,
    head: NewestHead,
  ) {
    ({
      name: this.name,
      ca: this.ca,
      signer: this.signer,
      world: this.world,
      observations: this.observations,
      endpoint: this.endpoint,
    } = parts);
    this.#head = head;
  }

  static async start(text: string): Promise<Mesh> {
    const name = parseTrustDomain(text);
    const ca = await createTestCa({ trustDomain: name });
    const leaf = await ca.issueLeaf({ path: '/federate' });
    const signer = { id: leaf.id, certificateChain: leaf.chain, privateKey: leaf.key };
    const head: NewestHead = {};
    const world = await AgentWorld.start(TEST_INSTANT, {
      signer: () => signer,
    });
    const observations = new Observations({
      store: world.store,
      clock: world.clock,
      log: world.log,
      metrics: world.metrics,
      own: () => world.own,
      relationships: () => world.federation.peers.relationships(),
      bundles: world.federation.bundles,
      holding: world.federation.holding,
      verifier: world.federation.verifier,
      signer: () => signer,
      head: () => head.newest,
      fetchLimits: defaultFetchLimits,
      lookup: createHostLookup(),
      random: { fraction: () => 0, bytes: () => new Uint8Array() },
    });
    world.federation.held.onChange((trustDomain, bundle) =>
      observations.changed(trustDomain, bundle !== undefined),
    );
    const svid = svidFromPem(leaf.certPem, leaf.keyPem);
    const endpoint = new BundleEndpoint({
      profile: { kind: 'https_spiffe', svid: { current: () => svid, onChange: () => () => {} } },
      url: new URL('https://127.0.0.1/'),
      path: '/bundle.json',
      limits: { maxConnections: 50, maxConnectionsPerAddress: 40 },
      clock: world.clock,
      log: silentLog,
      metrics: createMetrics({ processMetrics: false }),
    });
    const mesh = new Mesh({ name, ca, signer, world, observations, endpoint }, head);
    await mesh.publish(bundleOf(name, [ca.authority], { sequence: 1n, refreshHintSeconds: 300 }));
    endpoint.extend(observations.reception);
    await endpoint.start({ host: '127.0.0.1', port: 0 });
    return mesh;
  }

  get url(): string {
    return `https://127.0.0.1:${this.endpoint.address().port}/`;
  }

  /** Makes a bundle our own one: in the store, then at the endpoint. */
  async publish(bundle: TrustBundle): Promise<void> {
    const { store, clock } = this.world;
    const held = await store.current(this.name);
    await store.replaceCurrent({
      trustDomain: this.name,
      expectedDigest: held?.digest ?? null,
      version: { bundle, receivedAt: clock.now(), verdict: 'own', origin: 'test' },
    });
    this.world.own = bundle;
    this.endpoint.publish(bundle);
  }

  /** Federates with a peer whose bundle came in a file. */
  async add(trustDomain: TrustDomain, endpointUrl: string, bundle: TrustBundle): Promise<void> {
    await this.world.federation.relationships.add({
      trustDomain,
      endpointUrl,
      profile: { kind: 'https_spiffe', endpointId: parseSpiffeId(`spiffe://${trustDomain}/federate`) },
      bootstrap: { kind: 'bundle', document: serializeBundle(bundle), name: 'peer.json' },
      actor: 'operator:1000',
    });
  }

  /** Asks a peer's agent what it saw. */
  ask(trustDomain: TrustDomain): Promise<string> {
    const relationship = this.world.federation.peers.find(trustDomain)?.relationship;
    if (!relationship) throw new Error(`no relationship with ${trustDomain}`);
    return this.observations.ask(relationship);
  }

  /** Signs the end of the history, as the agent does at intervals. */
  async signHistory(): Promise<SignedHead> {
    const { store, clock } = this.world;
    const head = await store.chainHead();
    const [first] = await store.chainLinks({ limit: 1 });
    if (!head || !first) throw new Error('there is no history');
    this.#head.newest = await signHead(head, first.hash, this.signer, clock.now());
    await store.recordHead(this.#head.newest);
    return this.#head.newest;
  }

  /** What is said loudly at this moment: code and whom it is about. */
  async conflicts(): Promise<string[]> {
    const open = await this.world.store.incidents({ open: true });
    return open
      .filter(({ kind }) => kind === 'equivocation' || kind === 'history-doctored')
      .map(({ code, trustDomain }) => `${code} ${trustDomain}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.endpoint.stop(100);
    await this.world[Symbol.asyncDispose]();
  }
}

/** Two meshes that federate with each other, both ways. */
export async function federated(): Promise<readonly [Mesh, Mesh]> {
  const [a, b] = await Promise.all([Mesh.start('a.example'), Mesh.start('b.example')]);
  await a.add(b.name, b.url, b.ca.bundle());
  await b.add(a.name, a.url, a.ca.bundle());
  return [a, b];
}
