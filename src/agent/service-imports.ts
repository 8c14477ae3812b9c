import type { WarningDocument } from '../admin/index.ts';
import type { AgentConfig } from '../config/index.ts';
import type { Federation } from '../federation/index.ts';
import type { ServiceReport } from '../mesh-adapters/index.ts';
import type { SvidSource } from '../mtls/index.ts';
import type { Clock, Log, Random } from '../platform/index.ts';
import {
  ImportDesk,
  type ImportRequest,
  type ImportSettings,
  ServiceImporter,
} from '../service-exchange/index.ts';
import type { ImportedService } from '../services/index.ts';
import type { TrustDomain } from '../spiffe/index.ts';
import type { Store } from '../store/index.ts';
import { pollingOf } from './federation-options.ts';
import { networksWith } from './shared-networks.ts';
import { importWarnings } from './import-warnings.ts';

/** A request that an endpoint holds is answered after this time, at the latest. */
const LEAST_HOLD_MS = 5 * 60_000;
/** A list counts as overdue when so many answers in a row did not come. */
const MISSED_ANSWERS = 3;

/** What importing takes of the agent. */
export interface ServiceImportsParts {
  readonly store: Store;
  readonly federation: Federation;
  readonly svid: SvidSource | undefined;
  readonly own: () => TrustDomain | undefined;
  /** The SNIs of our exports, and the host names of our own services. */
  readonly ownSnis: () => ReadonlySet<string>;
  /** What the config file declares now. */
  readonly declared: () => readonly ImportRequest[];
  /** The mesh's last reports. */
  readonly reports: () => readonly ServiceReport[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** The agent's imports: what peers offer, what we use of it, and what the operator does with it. */
export class ServiceImports {
  readonly importer: ServiceImporter;
  readonly desk: ImportDesk;
  readonly #parts: ServiceImportsParts;
  readonly #stopping = new AbortController();
  #declaring: Promise<void> = Promise.resolve();

  constructor(
    services: NonNullable<AgentConfig['services']>,
    config: AgentConfig,
    parts: ServiceImportsParts,
  ) {
    const { federation, own, ownSnis, store, clock, random } = parts;
    const log = parts.log.with({ part: 'imports' });
    const polling = pollingOf(config);
    const settings: ImportSettings = {
      suffix: services.suffix,
      drainMs: services.drain,
      stalePolicy: services.stale_policy,
      overdueMs: MISSED_ANSWERS * Math.max(LEAST_HOLD_MS, config.federation.hold),
      egressGateway: services.egress_gateway,
      allowedGatewayRanges: services.allowed_gateway_ranges,
      networksWith: (peer) => networksWith(services, peer),
    };
    const isOwnName = (host: string) => {
      const name = own();
      return ownSnis().has(host) || (name !== undefined && (host === name || host.endsWith(`.${name}`)));
    };
    this.#parts = parts;
    this.importer = new ServiceImporter({
      ...polling,
      store,
      own,
      relationships: () => federation.peers.relationships(),
      bundles: federation.bundles,
      verifier: federation.verifier,
      svid: parts.svid,
      holding: federation.holding,
      meshAnswers: () =>
        parts.reports().flatMap(({ subject, trustDomain, service, state, code, wantedSni }) => {
          if (subject !== 'import' || trustDomain === undefined) return [];
          const failed = state === 'refused' || state === 'failed';
          return [
            {
              trustDomain,
              service,
              ...(failed && code !== undefined ? { code } : {}),
              ...(wantedSni === undefined ? {} : { wantedSni }),
            },
          ];
        }),
      hold: polling.watch,
      settings: () => settings,
      ownSnis,
      isOwnName,
      clock,
      random,
      log,
    });
    this.desk = new ImportDesk({ importer: this.importer, settings: () => settings, isOwnName, clock });
  }

  /** Takes up what is stored and declared, then asks peers. Rejects with `StoreError`. */
  async start(): Promise<void> {
    await this.importer.start();
    await this.desk.declare(this.#parts.declared());
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#declaring;
    await this.importer.stop();
  }

  /** Calls back whenever the wanted imports or the egress routes are others. */
  onChange(listener: () => void): () => void {
    return this.importer.book.onChange(listener);
  }

  /** Another bundle of this trust domain counts, or none. */
  trustChanged(trustDomain: TrustDomain): void {
    this.importer.trustChanged(trustDomain);
    // A declared import may have a relationship now, or none.
    this.declareAgain();
  }

  /** What the config file declares is another thing now. */
  declareAgain(): void {
    if (this.#stopping.signal.aborted) return;
    this.#declaring = this.#declaring
      .then(() => this.desk.declare(this.#parts.declared()))
      .catch((error: unknown) => this.#parts.log.error('declared imports were not made', { error }));
  }

  /** What the mesh is to know. */
  wanted(): readonly ImportedService[] {
    return this.importer.book.wanted();
  }

  /** The lists and imports that need the operator's hand. */
  warnings(): readonly WarningDocument[] {
    return importWarnings(this.importer, this.desk, this.#parts.clock.now());
  }
}
