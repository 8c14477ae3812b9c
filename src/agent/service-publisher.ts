import type { WarningDocument } from '../admin/index.ts';
import { defined } from '../objects/index.ts';
import {
  ComparisonLoop,
  type MeshAdapter,
  type ReportSubject,
  type ServiceReport,
  serviceReport,
} from '../mesh-adapters/index.ts';
import { type Clock, type Log, type ProcessContext, within } from '../platform/index.ts';
import type { TrustDomain } from '../spiffe/index.ts';
import type { Store } from '../store/index.ts';
import { compareServices } from './compare-services.ts';
import { rememberServices } from './remember-services.ts';
import { hasFailed, ServiceReports, subjectText } from './service-reports.ts';
import type { ServiceWants } from './service-wants.ts';

/** How often the mesh is compared with what it should hold, even without a trigger. */
const RESYNC_MS = 60_000;
/** How long a command that removes a service waits for the mesh. */
const PATIENCE_MS = 5000;
const SILENT = { code: 'mesh-silent', message: 'the mesh has not answered yet' };

export interface ServicePublisherParts {
  readonly adapter: Pick<MeshAdapter, 'kind' | 'services' | 'onProgress'>;
  readonly wants: ServiceWants;
  /** Our own trust domain, once the mesh has reported it. */
  readonly own: () => TrustDomain | undefined;
  readonly store: Store;
}

/**
 * Keeps the mesh holding the imports, exports and access policies that are wanted, and reports how
 * far each came.
 */
export class ServicePublisher {
  readonly #parts: ServicePublisherParts;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #stopping: AbortSignal;
  readonly #reports = new ServiceReports();
  readonly #loop: ComparisonLoop;
  #unsubscribe: (() => void) | undefined;

  /** Ends every wait for the mesh once `stopping` aborts. */
  constructor(
    parts: ServicePublisherParts,
    { clock, random, log }: Pick<ProcessContext, 'clock' | 'random' | 'log'>,
    stopping: AbortSignal,
  ) {
    this.#parts = parts;
    this.#clock = clock;
    this.#log = log.with({ part: 'services' });
    this.#stopping = stopping;
    this.#loop = new ComparisonLoop({
      compare: (signal) => this.#compare(signal),
      resyncMs: RESYNC_MS,
      clock,
      random,
    });
  }

  start(): void {
    this.#unsubscribe = this.#parts.adapter.onProgress(() => this.compare());
    this.#loop.start(this.#stopping);
  }

  /** Ends the comparing; what the mesh holds stays. */
  async stop(): Promise<void> {
    this.#unsubscribe?.();
    await this.#loop.stop();
  }

  /** Something may have changed: compare soon. */
  compare(): void {
    this.#loop.trigger();
  }

  /** The mesh's last report; undefined where it has nothing of the subject, or was not compared yet. */
  of(subject: ReportSubject): ServiceReport | undefined {
    return this.#reports.of(subject);
  }

  list(): readonly ServiceReport[] {
    return this.#reports.list();
  }

  /**
   * Compares now, and returns what the mesh has of a subject then: undefined once it has nothing.
   * Waits some seconds for that. A mesh that does not answer in that time may still have it.
   */
  async after(subject: ReportSubject): Promise<ServiceReport | undefined> {
    this.compare();
    let wasCompared = false;
    const settle = async (over: AbortSignal) => {
      await this.#loop.settled();
      wasCompared = !over.aborted;
    };
    await within(this.#clock, PATIENCE_MS, settle, this.#stopping);
    if (wasCompared) return this.of(subject);
    return serviceReport(subject, 'failed', this.#clock.now(), SILENT);
  }

  /** What the mesh does not take, or does not give back. */
  warnings(): readonly WarningDocument[] {
    return this.list()
      .filter(hasFailed)
      .map((report) => ({
        trust_domain: report.trustDomain ?? null,
        code: 'service-refused',
        message: `the mesh does not have ${subjectText(report)} as it should: ${report.message} [${report.code}]`,
        since: report.at.toISOString(),
      }));
  }

  async #compare(signal: AbortSignal): Promise<boolean> {
    const { adapter, wants, own, store } = this.#parts;
    const { services } = adapter;
    const now = () => this.#clock.now();
    try {
      const before = this.list();
      const onError = (what: string, error: unknown) =>
        this.#log.error('writing services into the mesh failed', { what, mesh: adapter.kind, error });
      const reports = await compareServices({ services, wants, before, onError, now, signal });
      for (const report of reports) if (this.#reports.note(report)) this.#logReport(report);
      await rememberServices(store, reports, { own: own(), mesh: adapter.kind, at: now() });
      return reports.every(({ state }) => state !== 'failed');
    } catch (error) {
      if (signal.aborted) return true;
      this.#log.error('remembering what the mesh did with services failed', { error });
      return false;
    }
  }

  #logReport({ trustDomain, ...report }: ServiceReport): void {
    this.#log.info('service in the mesh', { ...report, ...defined({ trust_domain: trustDomain }) });
  }
}
