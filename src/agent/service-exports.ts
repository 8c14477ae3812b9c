import type { WarningDocument } from '../admin/index.ts';
import type { AgentConfig, ServicesConfig } from '../config/index.ts';
import type { Federation, PeerHoldings } from '../federation/index.ts';
import type { MeshAdapter } from '../mesh-adapters/index.ts';
import { defined, given } from '../objects/index.ts';
import { opaData } from '../services/index.ts';
import type { ProcessContext } from '../platform/index.ts';
import {
  AccessDesk,
  type EgressRoute,
  ExportDesk,
  ExportsReception,
  type GatewayRoute,
  type OwnerSettings,
  routesText,
  ServiceOwner,
} from '../service-exchange/index.ts';
import { CATALOGUE_LIMITS } from '../services/index.ts';
import type { StatementSigner, TrustDomain } from '../spiffe/index.ts';
import type { Store } from '../store/index.ts';
import { exportWarnings } from './export-warnings.ts';
import { MeshServicesWatch } from './mesh-services-watch.ts';
import { WrittenFile } from './written-file.ts';
import type { ServicesFile } from './services-file.ts';
import { networksWith } from './shared-networks.ts';

/** What the agent gives to its exports. */
export interface ServiceExportsParts {
  readonly store: Store;
  readonly federation: Federation;
  readonly holdings: PeerHoldings;
  readonly adapter: MeshAdapter;
  readonly own: () => TrustDomain | undefined;
  readonly signer: () => StatementSigner | undefined;
}

/** What we export: the owner, its desks, its place at the endpoint, and what feeds it. */
export class ServiceExports {
  readonly owner: ServiceOwner;
  readonly exportDesk: ExportDesk;
  readonly accessDesk: AccessDesk;
  readonly reception: ExportsReception;
  readonly #parts: ServiceExportsParts;
  readonly #context: ProcessContext;
  readonly #file: ServicesFile;
  readonly #mesh: MeshServicesWatch;
  readonly #routes: WrittenFile | undefined;
  readonly #policies: WrittenFile | undefined;
  #egress: () => readonly EgressRoute[] = () => [];

  constructor(config: AgentConfig, file: ServicesFile, parts: ServiceExportsParts, context: ProcessContext) {
    const { store, own, signer, holdings, adapter } = parts;
    const { clock } = context;
    const log = context.log.with({ part: 'exports' });
    this.#parts = parts;
    this.#context = context;
    this.#file = file;
    const { current: services } = file;
    const settings = settingsOf(services, config);
    const peers = () => this.#peers();
    this.owner = new ServiceOwner({
      settings,
      store,
      own,
      peers,
      signer,
      useOf: (peer: TrustDomain) => holdings.of(peer)?.imports,
      clock,
      log,
    });
    this.#mesh = new MeshServicesWatch(adapter, (found) => this.owner.report(found), { clock, log });
    const desk = {
      settings,
      store,
      own,
      peers,
      signer,
      clock,
      owner: this.owner,
      readMesh: () => this.#mesh.read(),
    };
    this.exportDesk = new ExportDesk(desk);
    this.accessDesk = new AccessDesk(desk);
    this.reception = new ExportsReception({
      owner: this.owner,
      prove: (address, statement) => holdings.prove(address, statement),
      clock,
    });
    const routes = (): readonly GatewayRoute[] => {
      const egress = this.#egress().flatMap(({ sni, endpoints: [first] }) =>
        first ? [{ sni, target: { host: first.host, port: first.port } }] : [],
      );
      const [ours, imported] = [this.owner.book.snis(), new Set(egress.map(({ sni }) => sni))];
      // An SNI that a peer asks for never takes the place of an import.
      const exported = this.owner.book.routes().filter(({ sni }) => ours.has(sni) || !imported.has(sni));
      return [...exported, ...egress];
    };
    this.#routes = given(
      services.routes_file,
      (path) =>
        new WrittenFile({
          path,
          what: 'the table of the gateway',
          code: 'routes-not-written',
          content: () => (this.isKnown ? routesText(routes()) : undefined),
          clock,
          log,
        }),
    );
    this.#policies = given(
      services.policy_file,
      (path) =>
        new WrittenFile({
          path,
          what: 'the file with the access rules',
          code: 'policies-not-written',
          content: () => (this.isKnown ? this.#policyText() : undefined),
          clock,
          log,
        }),
    );
    this.owner.onSettled(() => {
      this.routesChanged();
      void this.#policies?.update();
    });
    file.onChange(() => this.#declare());
  }

  /** Until the mesh was read, a service that is missing proves nothing. */
  get isKnown(): boolean {
    return this.#parts.own() !== undefined && this.owner.book.services.wasRead;
  }

  async start(): Promise<void> {
    this.#declare();
    await this.owner.start();
    this.#mesh.start();
  }

  async stop(): Promise<void> {
    this.reception.stop();
    await this.#mesh.stop();
    await this.owner.stop();
  }

  /** Where our callers use our gateway, it also routes from the SNI of each import to its owner's gateway. */
  routesAlso(egress: () => readonly EgressRoute[]): void {
    this.#egress = egress;
  }

  /** The routes of imports may be others. */
  routesChanged(): void {
    void this.#routes?.update();
  }

  warnings(): readonly WarningDocument[] {
    const about = { peers: this.#peers(), own: this.#parts.own(), now: this.#context.clock.now() };
    return [
      ...this.#mesh.warnings(),
      ...(this.#routes?.warnings() ?? []),
      ...(this.#policies?.warnings() ?? []),
      ...exportWarnings(this.owner, about),
    ];
  }

  /** The rules that count, as data for OPA. */
  #policyText(): string {
    const policies = this.owner.book.wantedAccess().map(({ policy }) => policy);
    return `${JSON.stringify(opaData(policies), undefined, 2)}\n`;
  }

  #declare(): void {
    const { services, exports, access } = this.#file.current;
    this.owner.declare({
      services: services.map(({ spiffe_ids: spiffeIds, namespace, ...rest }) => ({
        ...rest,
        spiffeIds,
        ...defined({ namespace }),
      })),
      exports,
      access,
    });
  }

  #peers(): readonly TrustDomain[] {
    return this.#parts.federation.peers.relationships().map(({ trustDomain }) => trustDomain);
  }
}

function settingsOf(services: ServicesConfig, { endpoint }: AgentConfig): OwnerSettings {
  return {
    gateways: services.gateways.map(({ id, address: { host, port }, priority }) => ({
      id,
      host,
      port,
      priority,
    })),
    ...defined({ sniSuffix: services.sni_suffix }),
    networksWith: (peer) => networksWith(services, peer),
    catalogueLifetimeMs: services.catalogue_lifetime,
    drainMs: services.drain,
    refreshHint: Math.min(endpoint.refresh_hint / 1000, CATALOGUE_LIMITS.hintSeconds),
  };
}
