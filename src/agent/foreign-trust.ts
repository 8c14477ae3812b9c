import type { HoldingStatements } from '../federation/index.ts';
import { ForeignTrustPublisher, type ForeignTrustReport, type MeshAdapter } from '../mesh-adapters/index.ts';
import type { Clock, Log, ProcessContext } from '../platform/index.ts';
import type { TrustBundle, TrustDomain } from '../spiffe/index.ts';
import type { Store } from '../store/index.ts';
import { MeshReports } from './mesh-reports.ts';
import { UnrecordedTrust } from './unrecorded-trust.ts';

/** How often the mesh is compared with what it should hold, even without a trigger. */
const RESYNC_MS = 60_000;
/** How long a command that removes trust waits for the mesh. */
const PATIENCE_MS = 5000;
const MAX_OPEN = 10_000;
/** The message about a mesh that did not answer in that time. */
const SILENT = {
  state: 'failed',
  code: 'mesh-silent',
  message: 'the mesh has not answered yet',
} as const;

/** Keeps the mesh holding the bundles that the federation trusts, and reports how far each came. */
export class ForeignTrust {
  /** What the mesh holds although the store has no record of it. */
  readonly unrecorded: UnrecordedTrust;
  readonly #publisher: ForeignTrustPublisher;
  readonly #reports = new MeshReports();
  readonly #holding: Pick<HoldingStatements, 'reached'>;
  readonly #store: Store;
  readonly #adapter: MeshAdapter;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #stopping: AbortSignal;

  /** Ends every wait for the mesh once `stopping` aborts. */
  constructor(
    adapter: MeshAdapter,
    federation: {
      readonly bundles: { list(): readonly TrustBundle[] };
      readonly holding: Pick<HoldingStatements, 'reached'>;
    },
    store: Store,
    { clock, random, log }: ProcessContext,
    stopping: AbortSignal,
  ) {
    this.#holding = federation.holding;
    this.#store = store;
    this.#adapter = adapter;
    this.#clock = clock;
    this.#log = log;
    this.#stopping = stopping;
    const unrecorded = new UnrecordedTrust({
      adapter,
      store,
      clock,
      log: log.with({ part: 'foreign-trust' }),
    });
    this.unrecorded = unrecorded;
    this.#publisher = new ForeignTrustPublisher({
      adapter,
      wanted: () => federation.bundles.list(),
      kept: (signal) => unrecorded.kept(signal),
      resyncMs: RESYNC_MS,
      clock,
      random,
      log: log.with({ part: 'publisher' }),
      onReport: (report) => this.#takeReport(report),
    });
  }

  /**
   * Starts the comparison. Restores what the mesh had not accepted or removed before the start,
   * because that may still be so.
   */
  async start(): Promise<void> {
    const open = await this.#store.incidents({ open: true, offers: false, limit: MAX_OPEN });
    for (const { kind, trustDomain, code, message, at } of open.toReversed()) {
      if (kind !== 'mesh-refused') continue;
      this.#reports.note({ trustDomain, state: 'failed', code, message, at });
      this.#publisher.mayHold(trustDomain);
    }
    this.#publisher.start();
  }

  /** Something may have changed: compare soon. */
  compare(): void {
    this.#publisher.trigger();
  }

  /** The mesh's last report on a trust domain; undefined where it has nothing of it. */
  of(trustDomain: TrustDomain): ForeignTrustReport | undefined {
    return this.#reports.of(trustDomain);
  }

  /** The foreign trust domains that the mesh trusts, or may trust. */
  list(): readonly ForeignTrustReport[] {
    return this.#reports.list();
  }

  /**
   * Takes trust without a record out of the mesh, because the operator wants that; what the mesh
   * still has of it after some seconds. Throws `AgentError` `no-unrecorded-trust`, `StoreError`.
   */
  async dropUnrecorded(trustDomain: TrustDomain, actor: string): Promise<ForeignTrustReport | undefined> {
    await this.unrecorded.drop(trustDomain, actor);
    this.#publisher.mayHold(trustDomain);
    this.compare();
    return await this.afterRemoval(trustDomain);
  }

  /**
   * Returns what the mesh still has of a removed peer: undefined once it has nothing, or a report
   * `removed` where readers of the mesh's configuration must still act. Waits some seconds for
   * that, or until it failed.
   */
  async afterRemoval(trustDomain: TrustDomain): Promise<ForeignTrustReport | undefined> {
    // Before the first comparison it is unknown which trust the mesh holds.
    if (!this.#publisher.hasCompared) this.#publisher.mayHold(trustDomain);
    const { wasCompared, report } = await this.#after(
      trustDomain,
      (report) => report === undefined || hasFailed(report),
    );
    if (wasCompared) return report ?? this.#reports.farewellOf(trustDomain);
    // On record, because after a restart nothing else would report it.
    this.#publisher.mayHold(trustDomain);
    this.#takeReport({ ...SILENT, trustDomain, at: this.#clock.now() });
    return this.of(trustDomain);
  }

  /**
   * Returns what the mesh has of a trust domain that lost keys, and whether such a key may still
   * count there. Waits some seconds until the mesh has dropped them, or until it failed.
   */
  async afterDistrust(
    trustDomain: TrustDomain,
  ): Promise<{ readonly report: ForeignTrustReport | undefined; readonly mayCount: boolean }> {
    const { wasCompared, report } = await this.#after(
      trustDomain,
      (report) => report === undefined || !(report.endedRootsStand || report.state === 'pending'),
    );
    if (!wasCompared) return { report: { ...SILENT, trustDomain, at: this.#clock.now() }, mayCount: true };
    if (!report) return { report, mayCount: false };
    const { state, endedRootsStand = state === 'refused' } = report;
    return { report, mayCount: state === 'failed' || state === 'pending' || endedRootsStand };
  }

  /** Ends the comparing; what the mesh holds stays. */
  stop(): Promise<void> {
    return this.#publisher.stop();
  }

  #takeReport(report: ForeignTrustReport): void {
    if (!this.#reports.note(report)) return;
    const { trustDomain, state, digest, at } = report;
    if (digest !== undefined && (state === 'written' || state === 'accepted' || state === 'in-effect'))
      this.#holding.reached(trustDomain, digest, state, at);
    this.#log.info('foreign trust in the mesh', { ...report, trust_domain: report.trustDomain });
    void rememberReport(this.#store, this.#adapter, report).catch((error: unknown) => {
      this.#log.error('remembering what the mesh did failed', { error });
    });
  }

  #after(
    trustDomain: TrustDomain,
    isDone: (report: ForeignTrustReport | undefined) => boolean,
  ): ReturnType<MeshReports['after']> {
    return this.#reports.after(trustDomain, this.#publisher, {
      isDone,
      clock: this.#clock,
      ms: PATIENCE_MS,
      signal: this.#stopping,
    });
  }
}

function hasFailed({ state }: ForeignTrustReport): boolean {
  return state === 'failed' || state === 'refused';
}

/**
 * A refusal by the mesh is an incident from its beginning to its end, as is trust that it holds
 * without need. Everything else is an audit line.
 */
async function rememberReport(store: Store, adapter: MeshAdapter, report: ForeignTrustReport): Promise<void> {
  const { trustDomain, state, digest, at } = report;
  const actor = `mesh:${adapter.kind}`;
  const isToGo = digest === undefined && state !== 'removed';
  if (isToGo || state === 'refused' || state === 'failed') {
    await store.recordIncident({
      at,
      kind: 'mesh-refused' as const,
      trustDomain,
      actor,
      origin: adapter.kind,
      code: report.code ?? 'mesh-failed',
      message: report.message ?? `the mesh did not do what it should with the bundle of ${trustDomain}`,
    });
    return;
  }
  if (state === 'pending') return;
  await store.endIncidents({ trustDomain, at, actor, kinds: ['mesh-refused'] });
  const fact = `the bundle of ${trustDomain} in the mesh is ${state}`;
  await store.recordEvent({
    at,
    kind: 'mesh-updated' as const,
    trustDomain,
    actor,
    message: report.message === undefined ? fact : `${fact}: ${report.message}`,
  });
}
