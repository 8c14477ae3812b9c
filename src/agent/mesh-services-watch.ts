import type { WarningDocument } from '../admin/index.ts';
import { messageOf } from '../errors/index.ts';
import type { MeshAdapter } from '../mesh-adapters/index.ts';
import { type Clock, type Log, pause, Turns } from '../platform/index.ts';
import type { OwnService } from '../services/index.ts';

/** How often the mesh is asked for its services. */
const READ_EVERY_MS = 15_000;

/**
 * Reads the services of the mesh again and again. A mesh that cannot be read is a warning, and its
 * last services stay. A mesh that knows no services has none.
 */
export class MeshServicesWatch {
  readonly #adapter: Pick<MeshAdapter, 'kind' | 'services'>;
  readonly #report: (services: readonly OwnService[]) => void;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #stopping = new AbortController();
  readonly #turns = new Turns();
  #problem: { readonly message: string; readonly since: Date } | undefined;
  #loop: Promise<void> | undefined;

  constructor(
    adapter: Pick<MeshAdapter, 'kind' | 'services'>,
    report: (services: readonly OwnService[]) => void,
    { clock, log }: { readonly clock: Clock; readonly log: Log },
  ) {
    this.#adapter = adapter;
    this.#report = report;
    this.#clock = clock;
    this.#log = log;
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await this.#turns.settled();
  }

  /** Reads the mesh now. Never rejects. */
  read(): Promise<void> {
    return this.#turns.run(() => this.#readOnce());
  }

  warnings(): readonly WarningDocument[] {
    if (!this.#problem) return [];
    const { message, since } = this.#problem;
    return [
      {
        trust_domain: null,
        code: 'mesh-services-unreadable',
        message: `the services of the mesh cannot be read, and the last ones stay: ${message}`,
        since: since.toISOString(),
      },
    ];
  }

  async #run(): Promise<void> {
    do await this.read();
    while (await pause(this.#clock, READ_EVERY_MS, this.#stopping.signal));
  }

  async #readOnce(): Promise<void> {
    const { services, kind } = this.#adapter;
    try {
      this.#report(services ? await services.readServices(this.#stopping.signal) : []);
      this.#problem = undefined;
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      if (!this.#problem) this.#log.warn('the services of the mesh cannot be read', { mesh: kind, error });
      this.#problem = { message: messageOf(error), since: this.#problem?.since ?? this.#clock.now() };
    }
  }
}
