import {
  type EndpointExtension,
  type ExtensionRequest,
  matchesTag,
  WaitingClients,
} from '../../bundle-endpoint/index.ts';
import { type Clock, pause } from '../../platform/index.ts';
import type { TrustDomain } from '../../spiffe/index.ts';
import { EXPORTS_PATH } from '../../services/index.ts';
import type { SignedCatalogue } from './issued-catalogues.ts';
import type { ServiceOwner } from './service-owner.ts';

/** Requests of one peer that are held at once: its agent may have replicas. */
const HELD_PER_PEER = 8;
/**
 * How long after its request a refusal is sent. Checking a proof takes a few milliseconds of it, so
 * the time of a refusal tells nothing.
 */
const REFUSAL_MS = 250;

export interface ExportsReceptionParts {
  readonly owner: Pick<ServiceOwner, 'serves' | 'issued' | 'reported'>;
  /** The peer that a caller proves to be, by its signed statement. */
  readonly prove: (address: string, statement: string) => Promise<TrustDomain | undefined>;
  readonly clock: Clock;
}

/**
 * Serves each peer the catalogue of what is exported to it, on a path of the bundle endpoint. Every
 * other caller, a peer without an export included, gets the answer of an unknown path.
 */
export class ExportsReception implements EndpointExtension {
  readonly #parts: ExportsReceptionParts;
  readonly #waiting = new Map<TrustDomain, WaitingClients>();
  readonly #stopping = new AbortController();
  readonly #unsubscribe: () => void;

  constructor(parts: ExportsReceptionParts) {
    this.#parts = parts;
    this.#unsubscribe = parts.owner.issued.onChange(
      (consumer) => void this.#waiting.get(consumer)?.wakeAll(),
    );
  }

  /** Answers every peer that waits, and refuses at once from now on. */
  stop(): void {
    this.#unsubscribe();
    this.#stopping.abort();
    for (const waiting of this.#waiting.values()) waiting.close();
  }

  accept(request: ExtensionRequest): ReturnType<EndpointExtension['accept']> {
    const { method, path, holding } = request;
    if (path !== EXPORTS_PATH || method !== 'GET' || holding === undefined) return undefined;
    return {
      maxBodyBytes: 0,
      answer: async (_body, gone) => {
        const { clock } = this.#parts;
        const startMs = clock.monotonicMs();
        const answer = await this.#answer(request, holding, gone);
        if (answer) return answer;
        await pause(clock, Math.max(0, startMs + REFUSAL_MS - clock.monotonicMs()), this.#stopping.signal);
        return undefined;
      },
    };
  }

  async #answer(request: ExtensionRequest, holding: string, gone: AbortSignal) {
    const { remoteAddress, connection, ifNoneMatch, waitSeconds } = request;
    const consumer = await this.#parts.prove(remoteAddress, holding);
    const now = consumer && (await this.#catalogueFor(consumer));
    if (!now) return undefined;
    this.#parts.owner.reported(consumer);
    const isCurrent = ({ etag }: SignedCatalogue) => matchesTag(ifNoneMatch, etag);
    let isHeld = waitSeconds !== undefined;
    let signed: SignedCatalogue | undefined = now;
    if (waitSeconds !== undefined && waitSeconds > 0 && isCurrent(now)) {
      const client = { connection, address: remoteAddress, peer: consumer };
      const held = this.#waitingOf(consumer).wait(waitSeconds, gone, client);
      isHeld = held !== undefined;
      await held;
      // The relationship or the last export may have ended meanwhile.
      signed = await this.#catalogueFor(consumer);
    }
    if (!signed) return undefined;
    const headers = {
      etag: signed.etag,
      'cache-control': 'no-cache',
      vary: 'prefer, federate-holding',
      ...(isHeld ? { 'preference-applied': `wait=${waitSeconds}` } : {}),
    };
    if (isCurrent(signed)) return { status: 304, body: '', headers };
    return {
      status: 200,
      body: `${signed.token}\n`,
      headers: { ...headers, 'content-type': 'application/jose' },
    };
  }

  async #catalogueFor(consumer: TrustDomain): Promise<SignedCatalogue | undefined> {
    const { owner } = this.#parts;
    return (await owner.serves(consumer)) ? owner.issued.signedFor(consumer) : undefined;
  }

  #waitingOf(consumer: TrustDomain): WaitingClients {
    const known = this.#waiting.get(consumer);
    if (known) return known;
    const waiting = new WaitingClients(this.#parts.clock, { most: HELD_PER_PEER, mostPerAddress: 0 });
    this.#waiting.set(consumer, waiting);
    return waiting;
  }
}
