import {
  AccessDesk,
  type DeclaredExports,
  ExportDesk,
  type OwnerSettings,
  ServiceOwner,
} from '../../../src/service-exchange/index.ts';
import { silentLog } from '../../../src/platform/index.ts';
import {
  type Catalogue,
  EXPORTS_TYPE,
  type ImportReport,
  type OwnService,
  parseServiceId,
  readCatalogue,
} from '../../../src/services/index.ts';
import {
  bundleOf,
  parseSpiffeId,
  parseTrustDomain,
  type StatementSigner,
  type TrustDomain,
  verifyStatement,
} from '../../../src/spiffe/index.ts';
import type { Store } from '../../../src/store/index.ts';
import { openTestStore } from '../../../testkit/open-test-store.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';
import { relationship } from '../../store/sample-bundles.ts';

export const own = parseTrustDomain('a.example');
export const east = parseTrustDomain('east.example');
export const west = parseTrustDomain('west.example');
export const OPERATOR = 'operator:1000';

/** A service of `own` with one HTTP port, unless its parts say something else. */
export function ownService(id: string, parts: Partial<OwnService> = {}): OwnService {
  return {
    id: parseServiceId(id),
    ports: [
      {
        name: 'http',
        port: 8080,
        protocol: 'http',
        serverFirst: false,
        target: { host: '10.0.0.1', port: 15006 },
      },
    ],
    spiffeIds: [parseSpiffeId(`spiffe://${own}/sa/${id}`)],
    labels: { app: id },
    namespace: 'shop',
    origin: 'mesh',
    ...parts,
  };
}

/** The owner's side of one agent, over a real store and a clock that stands still. */
export class OwnerWorld implements AsyncDisposable {
  readonly clock = new TestClock(TEST_INSTANT);
  readonly store: Store;
  readonly ca: TestCa;
  readonly signer: StatementSigner;
  owner: ServiceOwner;
  exportDesk: ExportDesk;
  accessDesk: AccessDesk;
  peers: TrustDomain[] = [];
  /** What the mesh has, whenever it is read. */
  inMesh: OwnService[] = [];
  readonly uses = new Map<TrustDomain, ImportReport>();
  readonly #settings: OwnerSettings;

  private constructor(store: Store, ca: TestCa, signer: StatementSigner, settings: Partial<OwnerSettings>) {
    this.store = store;
    this.ca = ca;
    this.signer = signer;
    this.#settings = {
      gateways: [{ id: 'gw1', host: 'gw.a.example', port: 15443, priority: 0 }],
      networksWith: () => [],
      catalogueLifetimeMs: 24 * 3600_000,
      drainMs: 30_000,
      refreshHint: 60,
      ...settings,
    };
    ({ owner: this.owner, exportDesk: this.exportDesk, accessDesk: this.accessDesk } = this.#build());
  }

  static async open(settings: Partial<OwnerSettings> = {}): Promise<OwnerWorld> {
    const ca = await createTestCa({ trustDomain: own });
    const leaf = await ca.issueLeaf({ path: '/federate' });
    const signer = { id: leaf.id, certificateChain: leaf.chain, privateKey: leaf.key };
    const world = new OwnerWorld(await openTestStore(), ca, signer, settings);
    for (const peer of [east, west]) await world.federate(peer);
    return world;
  }

  async federate(peer: TrustDomain): Promise<void> {
    await this.store.addRelationship(relationship(peer), undefined, {
      at: this.clock.now(),
      kind: 'relationship-added',
      trustDomain: peer,
      actor: OPERATOR,
      message: 'as agreed',
    });
    this.peers.push(peer);
  }

  async unfederate(peer: TrustDomain): Promise<void> {
    this.peers = this.peers.filter((each) => each !== peer);
    await this.store.removeRelationship(peer, { at: this.clock.now(), actor: OPERATOR, reason: 'over' });
  }

  /** The mesh has these services now, and was read. */
  async mesh(...services: OwnService[]): Promise<void> {
    this.inMesh = services;
    this.owner.report(services);
    await this.owner.settle();
  }

  async declare(declared: Partial<DeclaredExports>): Promise<void> {
    this.owner.declare({ services: [], exports: [], access: [], ...declared });
    await this.owner.settle();
  }

  /** A new agent on the same store, as after a kill: nothing in memory is left. */
  restart(): void {
    ({ owner: this.owner, exportDesk: this.exportDesk, accessDesk: this.accessDesk } = this.#build());
  }

  /** What a peer gets now: proved and read as an importer does it. */
  async catalogueOf(peer: TrustDomain): Promise<Catalogue | undefined> {
    if (!(await this.owner.serves(peer))) return undefined;
    const signed = await this.owner.issued.signedFor(peer);
    if (!signed) return undefined;
    const bundle = bundleOf(own, [this.ca.authority]);
    const { claims, signer } = await verifyStatement(signed.token, {
      type: EXPORTS_TYPE,
      audience: peer,
      bundles: { bundleFor: () => bundle },
      now: this.clock.now(),
      maxCharacters: 512 * 1024,
    });
    if (signer.id !== this.signer.id) throw new Error('another signer');
    return readCatalogue(claims, { owner: own, audience: peer, refuseHost: () => undefined });
  }

  /** IDs and states of what a peer sees. */
  async seenBy(peer: TrustDomain): Promise<readonly string[] | undefined> {
    return (await this.catalogueOf(peer))?.services.map(({ id, state }) => `${id} ${state}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.owner.stop();
    await this.store.close();
  }

  #build() {
    const { clock, store } = this;
    const parts = {
      settings: this.#settings,
      store,
      own: () => own,
      peers: () => this.peers,
      signer: () => this.signer,
      useOf: (peer: TrustDomain) => this.uses.get(peer),
      clock,
      log: silentLog,
    };
    const owner = new ServiceOwner(parts);
    const readMesh = async () => owner.report(this.inMesh);
    const desk = { ...parts, owner, readMesh };
    return { owner, exportDesk: new ExportDesk(desk), accessDesk: new AccessDesk(desk) };
  }
}
