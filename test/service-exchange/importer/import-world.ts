import {
  createHostLookup,
  defaultFetchLimits,
  defaultScheduleSettings,
} from '../../../src/federation/index.ts';
import {
  ImportDesk,
  type ImportRequest,
  type ImportSettings,
  ServiceImporter,
} from '../../../src/service-exchange/index.ts';
import {
  type Catalogue,
  EXPORTS_PATH,
  EXPORTS_TYPE,
  type OfferedService,
  parseServiceId,
  writeCatalogue,
} from '../../../src/services/index.ts';
import {
  bundleOf,
  parseSpiffeId,
  serializeBundle,
  signStatement,
  type StatementSigner,
  type TrustDomain,
} from '../../../src/spiffe/index.ts';
import { AUDIENCE, catalogueWith, OWNER } from '../../../testkit/catalogues.ts';
import { answers, FakePeer } from '../../../testkit/fake-peer.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../../testkit/test-ca.ts';
import type { MeshAnswer } from '../../../src/service-exchange/importer/report-imports.ts';
import { AgentWorld } from '../../federation/agent-world.ts';

const LONG = { notBefore: new Date('2001-01-01T00:00:00Z'), notAfter: new Date('2090-01-01T00:00:00Z') };

/** A peer that offers whatever a test makes it sign. */
export class FakeOwner implements AsyncDisposable {
  readonly name: TrustDomain;
  readonly ca: TestCa;
  readonly peer: FakePeer;
  readonly signer: StatementSigner;
  /** What it answers at the path of catalogues; undefined: nothing is there. */
  token: string | undefined;
  /** How often it was asked for its catalogue, and what it was told with the last request. */
  asked = 0;
  #sequence = 0;

  private constructor(parts: Pick<FakeOwner, 'name' | 'ca' | 'peer' | 'signer'>) {
    ({ name: this.name, ca: this.ca, peer: this.peer, signer: this.signer } = parts);
    this.peer.answer = (socket, request, reset) => {
      if (request.path === EXPORTS_PATH) {
        this.asked += 1;
        const answer = this.token === undefined ? answers.status(404) : answers.document(this.token);
        answer(socket, request, reset);
        return;
      }
      answers.document(serializeBundle(bundleOf(this.name, [this.ca.authority], { sequence: 1n })))(
        socket,
        request,
        reset,
      );
    };
  }

  static async start(name: TrustDomain): Promise<FakeOwner> {
    const ca = await createTestCa({ trustDomain: name, ...LONG });
    const leaf = await ca.issueLeaf({ path: '/federate', ...LONG });
    const peer = await FakePeer.start({ certificatePem: leaf.certPem, keyPem: leaf.keyPem });
    const signer = { id: leaf.id, certificateChain: leaf.chain, privateKey: leaf.key };
    return new FakeOwner({ name, ca, peer, signer });
  }

  /** Signs a list under the next sequence, and offers it. */
  async offer(services: readonly OfferedService[], parts: Partial<Catalogue> = {}, now = TEST_INSTANT) {
    this.#sequence = parts.sequence ?? this.#sequence + 1;
    const catalogue = catalogueWith(services, {
      trustDomain: this.name,
      issuedAt: now,
      ...parts,
      sequence: this.#sequence,
    });
    this.token = await this.sign(catalogue);
  }

  sign(catalogue: Catalogue, signer = this.signer): Promise<string> {
    return signStatement({
      type: EXPORTS_TYPE,
      signer,
      audience: catalogue.audience,
      issuedAt: catalogue.issuedAt,
      expiresAt: catalogue.expiresAt,
      claims: writeCatalogue(catalogue),
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.peer.close();
  }
}

/** The agent of `AUDIENCE`, which federates with owners and imports from them. */
export class ImportWorld implements AsyncDisposable {
  readonly agent: AgentWorld;
  readonly ownNames = new Set<string>();
  readonly ownSnis = new Set<string>();
  /** What the mesh did with imports. */
  meshAnswers: readonly MeshAnswer[] = [];
  settings: ImportSettings = {
    suffix: 'federated',
    drainMs: 30_000,
    stalePolicy: 'keep',
    overdueMs: 900_000,
    egressGateway: undefined,
    allowedGatewayRanges: [],
    networksWith: () => [],
  };
  importer: ServiceImporter;
  desk: ImportDesk;
  /** How often the wanted imports changed. */
  changes = 0;

  private constructor(agent: AgentWorld) {
    this.agent = agent;
    this.importer = this.#create();
    this.desk = this.#createDesk();
  }

  static async start(): Promise<ImportWorld> {
    const ca = await createTestCa({ trustDomain: AUDIENCE, ...LONG });
    const leaf = await ca.issueLeaf({ path: '/federate', ...LONG });
    const signer = { id: leaf.id, certificateChain: leaf.chain, privateKey: leaf.key };
    const agent = await AgentWorld.create(TEST_INSTANT, {
      signer: () => signer,
      watch: { seconds: 0, most: 0 },
    });
    agent.own = ca.bundle(1n);
    await agent.start();
    const world = new ImportWorld(agent);
    await world.importer.start();
    return world;
  }

  /** Federates with an owner. */
  async add(owner: FakeOwner): Promise<void> {
    await this.agent.federation.relationships.add({
      trustDomain: owner.name,
      endpointUrl: owner.peer.url(),
      profile: { kind: 'https_spiffe', endpointId: parseSpiffeId(`spiffe://${owner.name}/federate`) },
      bootstrap: { kind: 'bundle', document: serializeBundle(owner.ca.bundle(1n)), name: 'peer.json' },
      actor: 'operator:1000',
    });
    this.importer.peersChanged();
  }

  /** Asks an owner now; the kind of the outcome and its code. */
  async ask(name = OWNER): Promise<string> {
    await this.importer.ask(name);
    const outcome = this.importer.lastOf(name)?.outcome;
    if (!outcome) return 'not-asked';
    if ('code' in outcome) return `${outcome.kind} ${outcome.code}`;
    return 'changes' in outcome
      ? `${outcome.kind} ${outcome.changes.map(({ code }) => code).join(' ')}`
      : outcome.kind;
  }

  import(id: string, request: Partial<ImportRequest> = {}) {
    return this.desk.import({ service: parseServiceId(id), from: OWNER, ...request }, 'operator:1000');
  }

  /** Each import with its state and the code of the reason. */
  states(): string[] {
    return this.importer.book
      .list()
      .map(({ row }) =>
        [row.name, row.state, row.reason?.code].filter((word) => word !== undefined).join(' '),
      );
  }

  /** The names that the mesh is to know, with what answers them. */
  wanted(): string[] {
    return this.importer.book
      .wanted()
      .map(({ name, spiffeIds, state }) => `${name} ${state} ${spiffeIds.join(' ')}`);
  }

  /** The kinds of events about imports and catalogues, newest last. */
  async events(): Promise<string[]> {
    const events = await this.agent.store.events({ limit: 1000 });
    return events
      .filter(({ kind }) => /^(?:service|catalogue)-|^recovered$/.test(kind))
      .map(({ kind, code }) => (code === undefined ? kind : `${kind} ${code}`))
      .toReversed();
  }

  /** Moves time on, and lets the importer judge what time alone changes. */
  async advance(ms: number): Promise<void> {
    await this.agent.clock.advance(ms);
    await this.importer.book.settle();
  }

  /** Stops the importer, and starts another one on the same store. */
  async restart(): Promise<void> {
    await this.importer.stop();
    this.importer = this.#create();
    this.desk = this.#createDesk();
    await this.importer.start();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.importer.stop();
    await this.agent[Symbol.asyncDispose]();
  }

  #create(): ServiceImporter {
    const { agent } = this;
    const { federation, store, clock, log } = agent;
    const importer = new ServiceImporter({
      store,
      clock,
      log,
      random: { fraction: () => 0, bytes: () => new Uint8Array() },
      own: () => agent.own?.trustDomain,
      relationships: () => federation.peers.relationships(),
      bundles: federation.bundles,
      verifier: federation.verifier,
      svid: undefined,
      holding: federation.holding,
      meshAnswers: () => this.meshAnswers,
      lookup: createHostLookup({ servers: ['127.0.0.1:9'] }),
      fetchLimits: defaultFetchLimits,
      schedule: defaultScheduleSettings,
      hold: { seconds: 0, most: 0 },
      settings: () => this.settings,
      ownSnis: () => this.ownSnis,
      isOwnName: (host) => this.ownNames.has(host),
    });
    importer.book.onChange(() => {
      this.changes += 1;
    });
    federation.bundles.onChange((trustDomain) => importer.trustChanged(trustDomain));
    return importer;
  }

  #createDesk(): ImportDesk {
    return new ImportDesk({
      importer: this.importer,
      settings: () => this.settings,
      isOwnName: (host) => this.ownNames.has(host),
      clock: this.agent.clock,
    });
  }
}
