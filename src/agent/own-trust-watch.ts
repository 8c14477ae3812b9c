import type { WarningDocument } from '../admin/index.ts';
import { messageOf } from '../errors/index.ts';
import type { AdapterStatus, MeshAdapter, OwnTrust } from '../mesh-adapters/index.ts';
import { type Clock, Listeners, type Log, Turns } from '../platform/index.ts';
import { AgentError } from './errors.ts';
import type { OwnBundle } from './own-bundle.ts';

interface OwnTrustWatchParts {
  readonly adapter: Pick<MeshAdapter, 'watchOwnTrust' | 'status'>;
  readonly own: Pick<OwnBundle, 'observe'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Takes up what the mesh reports of its own roots, and tries again what could not be taken up. */
export class OwnTrustWatch {
  readonly #options: OwnTrustWatchParts;
  readonly #listeners = new Listeners<[OwnTrust]>();
  readonly #stopping = new AbortController();
  #running: Promise<void> | undefined;
  readonly #turns = new Turns();
  /** The newest report, when it was not taken, and why. */
  #untaken: { readonly trust: OwnTrust; readonly error: unknown; readonly since: Date } | undefined;

  constructor(options: OwnTrustWatchParts) {
    this.#options = options;
  }

  /** Calls back with each report of the mesh after our own bundle was made of it. */
  readonly onTaken = this.#listeners.add;

  /** Begins to follow the mesh. A mesh that cannot be followed any more ends the process. */
  start(): void {
    this.#running = this.#follow();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.#turns.settled();
  }

  /**
   * Tries again to store the newest report, when the store failed before. Never rejects; true when
   * it was stored now.
   */
  async tryAgain(): Promise<boolean> {
    const before = this.#untaken;
    // A report of another trust domain stays refused until the mesh reports something else.
    if (!before || before.error instanceof AgentError) return false;
    await this.#turns.run(async () => {
      if (this.#untaken === before) await this.#take(before.trust);
    });
    return this.#untaken === undefined;
  }

  /**
   * Warns when the newest report of the mesh is not what we publish, or when the mesh reports what
   * cannot be read.
   */
  warnings(): readonly WarningDocument[] {
    if (!this.#untaken) return unreadable(this.#options.adapter.status());
    const { error, since } = this.#untaken;
    const why = messageOf(error);
    return [
      {
        trust_domain: null,
        code: 'own-roots-not-taken',
        message: `what our own mesh reports of its roots is not published: ${why}`,
        since: since.toISOString(),
      },
    ];
  }

  async #follow(): Promise<void> {
    const { signal } = this.#stopping;
    try {
      for await (const trust of this.#options.adapter.watchOwnTrust(signal))
        await this.#turns.run(() => this.#take(trust));
    } catch (error) {
      if (!signal.aborted) throw error;
    }
    if (!signal.aborted) throw new TypeError('the mesh adapter stopped following our own mesh');
  }

  async #take(trust: OwnTrust): Promise<void> {
    const { own, clock, log } = this.#options;
    let counting: OwnTrust;
    try {
      counting = await own.observe(trust);
    } catch (error) {
      // Not fatal: the last own bundle is still served, and peers are still polled.
      log.error('own roots of the mesh not taken', {
        error,
        code: error instanceof AgentError ? error.code : undefined,
      });
      this.#untaken = { trust, error, since: this.#untaken?.since ?? clock.now() };
      return;
    }
    this.#untaken = undefined;
    this.#listeners.notify(counting);
  }
}

/**
 * The roots in our own mesh's report cannot be read. A mesh that does not answer at all is reported
 * with the mesh.
 */
function unreadable({ code, message, since }: AdapterStatus): readonly WarningDocument[] {
  if (code === undefined || since === undefined || !UNREADABLE.has(code)) return [];
  return [
    {
      trust_domain: null,
      code: 'own-roots-unreadable',
      message: `the roots of our own mesh cannot be read, and the last good ones stay published: ${message ?? code}`,
      since: since.toISOString(),
    },
  ];
}

const UNREADABLE: ReadonlySet<string> = new Set([
  'own-roots-malformed',
  'own-trust-domain-malformed',
  'own-trust-domain-missing',
  'own-trust-domain-ambiguous',
  'file-unreadable',
]);
