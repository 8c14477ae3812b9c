import type { FederationAgent } from '../../federation/index.ts';
import {
  ForeignTrustPublisher,
  type ForeignTrustReport,
  type MeshAdapter,
} from '../../mesh-adapters/index.ts';
import type { Clock, Log } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import type { Store } from '../../store/index.ts';
import type { ProcessContext } from '../process.ts';
import { MeshReports } from './mesh-reports.ts';
import { UnrecordedTrust } from './unrecorded-trust.ts';

/** How often the mesh is compared with what it should hold, even when nothing was heard. */
const RESYNC_MS = 60_000;
/** How long an operator's word that takes trust away waits for the mesh. */
const PATIENCE_MS = 5000;
const MAX_OPEN = 10_000;
/** What is to be said of a mesh of which nothing is known in that time. */
const SILENT = {
  state: 'failed',
  code: 'mesh-silent',
  message: 'the mesh has not answered yet',
} as const;

/** Keeps the mesh holding the bundles that the federation trusts, and knows how far each came. */
export class ForeignTrust {
  /** What the mesh holds although the store has no record of it. */
  readonly unrecorded: UnrecordedTrust;
  readonly #publisher: ForeignTrustPublisher;
  readonly #reports = new MeshReports();
  readonly #federation: Pick<FederationAgent, 'bundles' | 'noteInMesh'>;
  readonly #store: Store;
  readonly #adapter: MeshAdapter;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #stopping: AbortSignal;

  /** Nobody waits for the mesh any more once `stopping` aborts. */
  constructor(
    adapter: MeshAdapter,
    federation: Pick<FederationAgent, 'bundles' | 'noteInMesh'>,
    store: Store,
    { clock, random, log }: ProcessContext,
    stopping: AbortSignal,
  ) {
    this.#federation = federation;
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
      onReport: (report) => this.#heard(report),
    });
  }

  /** Begins to compare. What the mesh was not seen to take or let go of before the start is known again, for it may still be so. */
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

  /** What the mesh said last of a trust domain; undefined where it has nothing of it. */
  of(trustDomain: TrustDomain): ForeignTrustReport | undefined {
    return this.#reports.of(trustDomain);
  }

  /** All of which the mesh has, or may have, something. */
  list(): readonly ForeignTrustReport[] {
    return this.#reports.list();
  }

  /**
   * Takes trust without a record out of the mesh, because the operator wants that; what the mesh still has of it after some seconds.
   * Throws `AgentError` `no-unrecorded-trust`, `StoreError`.
   */
  async dropUnrecorded(trustDomain: TrustDomain, actor: string): Promise<ForeignTrustReport | undefined> {
    await this.unrecorded.drop(trustDomain, actor);
    this.#publisher.mayHold(trustDomain);
    this.compare();
    return await this.afterRemoval(trustDomain);
  }

  /**
   * What the mesh still has of a peer that was removed: undefined once it has nothing, or a report `removed` where readers of the
   * mesh's configuration have something to do. Waits some seconds for that, or until it failed.
   */
  async afterRemoval(trustDomain: TrustDomain): Promise<ForeignTrustReport | undefined> {
    // Before it was compared once, nobody knows what it has of whom.
    if (!this.#publisher.hasCompared) this.#publisher.mayHold(trustDomain);
    const { wasCompared, report } = await this.#after(
      trustDomain,
      (said) => said === undefined || hasFailed(said),
    );
    if (wasCompared) return report ?? this.#reports.farewellOf(trustDomain);
    // On record, because after a restart nothing else would tell of it.
    this.#publisher.mayHold(trustDomain);
    this.#heard({ ...SILENT, trustDomain, at: this.#clock.now() });
    return this.of(trustDomain);
  }

  /**
   * What the mesh has of a trust domain of which keys were taken away, and whether such a key may still count there. Waits some
   * seconds for the mesh to let go of them, or until it failed.
   */
  async afterDistrust(
    trustDomain: TrustDomain,
  ): Promise<{ readonly report: ForeignTrustReport | undefined; readonly mayCount: boolean }> {
    const { wasCompared, report } = await this.#after(
      trustDomain,
      (said) => said === undefined || !(said.endedRootsStand || said.state === 'pending'),
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

  #heard(report: ForeignTrustReport): void {
    if (!this.#reports.note(report)) return;
    const { trustDomain, state, digest, at } = report;
    if (digest !== undefined && (state === 'written' || state === 'accepted' || state === 'in-effect'))
      this.#federation.noteInMesh(trustDomain, digest, state, at);
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
 * A refusal by the mesh is an incident from its beginning to its end, as is what it holds of somebody of whom it should hold nothing;
 * the rest is an audit line.
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
  const said = `the bundle of ${trustDomain} in the mesh is ${state}`;
  await store.recordEvent({
    at,
    kind: 'mesh-updated' as const,
    trustDomain,
    actor,
    message: report.message === undefined ? said : `${said}: ${report.message}`,
  });
}
