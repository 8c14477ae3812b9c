import type { FederationAgent } from '../../federation/index.ts';
import {
  ForeignTrustPublisher,
  type ForeignTrustReport,
  type MeshAdapter,
} from '../../mesh-adapters/index.ts';
import type { Clock } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import type { Store } from '../../store/index.ts';
import type { ProcessContext } from '../process.ts';
import { MeshReports } from './mesh-reports.ts';

/** How often the mesh is compared with what it should hold, even when nothing was heard. */
const RESYNC_MS = 60_000;
/** How long an operator's word that takes trust away waits for the mesh. */
const PATIENCE_MS = 5000;

/** Keeps the mesh holding the bundles that the federation trusts, and knows how far each came. */
export class ForeignTrust {
  readonly #publisher: ForeignTrustPublisher;
  readonly #reports = new MeshReports();
  readonly #clock: Clock;

  /** Begins to compare at once. */
  constructor(
    adapter: MeshAdapter,
    federation: FederationAgent,
    store: Store,
    { clock, random, log }: ProcessContext,
  ) {
    this.#clock = clock;
    this.#publisher = new ForeignTrustPublisher({
      adapter,
      wanted: () => federation.bundles.list(),
      resyncMs: RESYNC_MS,
      clock,
      random,
      log: log.with({ part: 'publisher' }),
      onReport: (report) => {
        if (!this.#reports.note(report)) return;
        const { trustDomain, state, digest, at } = report;
        if (digest !== undefined && (state === 'written' || state === 'accepted' || state === 'in-effect'))
          federation.noteInMesh(trustDomain, digest, state, at);
        log.info('foreign trust in the mesh', { ...report, trust_domain: report.trustDomain });
        void rememberReport(store, adapter, report).catch((error: unknown) => {
          log.error('remembering what the mesh did failed', { error });
        });
      },
    });
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

  /** What the mesh still has of a peer that was removed: undefined once it has nothing. Waits some seconds for that, or until it failed. */
  afterRemoval(trustDomain: TrustDomain): Promise<ForeignTrustReport | undefined> {
    return this.#after(trustDomain, (report) => report === undefined || hasFailed(report));
  }

  /**
   * What the mesh has of a trust domain of which keys were taken away, and whether such a key may still count there. Waits some
   * seconds for the mesh to let go of them, or until it failed.
   */
  async afterDistrust(
    trustDomain: TrustDomain,
  ): Promise<{ readonly report: ForeignTrustReport | undefined; readonly mayCount: boolean }> {
    let compared = false;
    const report = await this.#after(trustDomain, (said) => {
      compared = true;
      return said?.endedRootsStand !== true;
    });
    const mayCount =
      report !== undefined && (!compared || hasFailed(report) || report.endedRootsStand === true);
    return { report, mayCount };
  }

  /** Ends the comparing; what the mesh holds stays. */
  stop(): Promise<void> {
    return this.#publisher.stop();
  }

  #after(
    trustDomain: TrustDomain,
    isDone: (report: ForeignTrustReport | undefined) => boolean,
  ): Promise<ForeignTrustReport | undefined> {
    return this.#reports.after(trustDomain, this.#publisher, { isDone, clock: this.#clock, ms: PATIENCE_MS });
  }
}

function hasFailed({ state }: ForeignTrustReport): boolean {
  return state === 'failed' || state === 'refused';
}

/** A refusal by the mesh is an incident from its beginning to its end; the rest is an audit line. */
async function rememberReport(store: Store, adapter: MeshAdapter, report: ForeignTrustReport): Promise<void> {
  const { trustDomain, at } = report;
  const actor = `mesh:${adapter.kind}`;
  if (report.state === 'refused' || report.state === 'failed') {
    await store.recordIncident({
      at,
      kind: 'mesh-refused' as const,
      trustDomain,
      actor,
      origin: adapter.kind,
      code: report.code ?? 'mesh-failed',
      message: report.message ?? `the mesh did not take the bundle of ${trustDomain}`,
    });
    return;
  }
  if (report.state === 'pending') return;
  await store.endIncidents({ trustDomain, at, actor, kinds: ['mesh-refused'] });
  const said = `the bundle of ${trustDomain} in the mesh is ${report.state}`;
  await store.recordEvent({
    at,
    kind: 'mesh-updated' as const,
    trustDomain,
    actor,
    message: report.message === undefined ? said : `${said}: ${report.message}`,
  });
}
