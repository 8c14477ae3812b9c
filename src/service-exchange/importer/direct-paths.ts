import { messageOf } from '../../errors/index.ts';
import { type Clock, Listeners, type Log, pause, type Random } from '../../platform/index.ts';
import type { EndpointAddress, OfferedService } from '../../services/index.ts';
import type { SpiffeId, TrustDomain } from '../../spiffe/index.ts';

/** A place that an owner names as the workload itself, and who must be there. */
export interface DirectTarget extends EndpointAddress {
  readonly trustDomain: TrustDomain;
  readonly sni: string;
  readonly spiffeIds: readonly SpiffeId[];
}

export interface DirectPathsParts {
  /** Proves by a whole handshake that one of the identities is there. Rejects where it is not. */
  readonly probe: (target: DirectTarget, signal: AbortSignal) => Promise<void>;
  /** What is to be probed now. */
  readonly targets: () => readonly DirectTarget[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

/** A proof is this old at most, plus the time of one probe. */
const EVERY_MS = 15_000;
/** Between two rounds, however often something changes. */
const LEAST_MS = 1000;
/** A place that failed stays out so long, because each change makes the mesh write. */
const OUT_MS = 60_000;
/** Handshakes at once. */
const MOST_AT_ONCE = 8;
/** What one peer names beyond that, or all of them, is reached by gateways alone. */
const MOST_OF_PEER = 64;
const MOST_TARGETS = 512;

/**
 * Which workloads of peers are reached by their own addresses. An address counts only after a real
 * handshake has proved the identity there, and until one fails. Every address is tried again and
 * again, because pods move and their addresses come to others.
 */
export class DirectPaths {
  readonly #parts: DirectPathsParts;
  readonly #proved = new Set<string>();
  /** Places that were lost, and until when they stay out (monotonic). */
  readonly #outUntilMs = new Map<string, number>();
  readonly #changed = new Listeners();
  readonly #stopping = new AbortController();
  #woken = new AbortController();
  #loop: Promise<void> | undefined;

  constructor(parts: DirectPathsParts) {
    this.#parts = parts;
  }

  /** Whether the identity was proved at this place when it was tried last. */
  isProved(target: DirectTarget): boolean {
    return this.#proved.has(keyOf(target));
  }

  /** Calls back whenever another set of places is proved. */
  onChange(listener: () => void): () => void {
    return this.#changed.add(listener);
  }

  start(): void {
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#woken.abort();
    await this.#loop;
  }

  /** There are other targets, or another trust: try them soon. */
  wake(): void {
    this.#woken.abort();
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#parts;
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      this.#woken = new AbortController();
      const { signal: woken } = this.#woken;
      const hasTargets = await this.#probeAll();
      const waitMs = EVERY_MS * (0.8 + random.fraction() * 0.2);
      if (!hasTargets) await aborted(woken);
      else if (await pause(clock, LEAST_MS, signal)) await pause(clock, waitMs - LEAST_MS, woken);
    }
  }

  /** Resolves with whether there is anything to probe. */
  async #probeAll(): Promise<boolean> {
    const targets = boundedTargets(this.#parts.targets());
    const waiting = [...targets.entries()];
    let isOther = false;
    for (const key of this.#proved) if (!targets.has(key)) isOther = this.#proved.delete(key) || isOther;
    for (const key of this.#outUntilMs.keys()) if (!targets.has(key)) this.#outUntilMs.delete(key);
    if (isOther) this.#changed.notify();
    const work = async () => {
      for (let next = waiting.shift(); next && !this.#stopping.signal.aborted; next = waiting.shift())
        await this.#probe(...next);
    };
    await Promise.all(Array.from({ length: MOST_AT_ONCE }, work));
    return targets.size > 0;
  }

  async #probe(key: string, target: DirectTarget): Promise<void> {
    const { probe, clock, log } = this.#parts;
    const { trustDomain, host, port, sni } = target;
    const place = { trust_domain: trustDomain, address: `${host}:${port}`, sni };
    try {
      await probe(target, this.#stopping.signal);
      if (this.#proved.has(key) || clock.monotonicMs() < (this.#outUntilMs.get(key) ?? 0)) return;
      this.#proved.add(key);
      log.info('a workload of a peer is reached directly', place);
    } catch (error) {
      if (this.#stopping.signal.aborted || !this.#proved.delete(key)) return;
      this.#outUntilMs.set(key, clock.monotonicMs() + OUT_MS);
      log.warn('a workload of a peer is not reached directly any more', { ...place, why: messageOf(error) });
    }
    this.#changed.notify();
  }
}

/** The targets by their keys, so many of each peer that none keeps another from being tried. */
function boundedTargets(all: readonly DirectTarget[]): ReadonlyMap<string, DirectTarget> {
  const ofPeer = new Map<TrustDomain, number>();
  const targets = new Map<string, DirectTarget>();
  for (const target of all) {
    const [key, count] = [keyOf(target), ofPeer.get(target.trustDomain) ?? 0];
    if (targets.size >= MOST_TARGETS || count >= MOST_OF_PEER || targets.has(key)) continue;
    targets.set(key, target);
    ofPeer.set(target.trustDomain, count + 1);
  }
  return targets;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** The direct places of a service that its owner offers. */
export function directTargets(trustDomain: TrustDomain, service: OfferedService): readonly DirectTarget[] {
  const { spiffeIds } = service;
  return service.ports.flatMap(({ sni, direct }) =>
    direct.map(({ host, port }) => ({ trustDomain, host, port, sni, spiffeIds })),
  );
}

/** The proof is about all of it: with another identity or SNI it is another target. */
function keyOf({ trustDomain, host, port, sni, spiffeIds }: DirectTarget): string {
  return JSON.stringify([trustDomain, host, port, sni, spiffeIds.toSorted()]);
}
