import type { IdentityDocument, WarningCode, WarningDocument } from '../admin/index.ts';
import type { AdapterStatus } from '../mesh-adapters/index.ts';

/** A resource outside of the agent that it depends on. */
export interface ResourceParts {
  readonly mesh: () => AdapterStatus;
  /** The state of our own SVID; null where the config names none. */
  readonly identity: () => IdentityDocument | null;
  readonly endpoint: {
    readonly certificateEndsAt: Date | undefined;
    /** Why the certificate files could not be used when they were read last. */
    readonly certificateTrouble: Error | undefined;
  };
  readonly now: () => Date;
}

/** How long the mesh and the source of the SVID have for their first answer after a start. */
const FIRST_ANSWER_MS = 60_000;

type Trouble = readonly [code: WarningCode, message: string];

/** Records which resources of the agent are in trouble, and since when. */
export class Resources {
  readonly #parts: ResourceParts;
  readonly #startedAt: Date;
  readonly #since = new Map<WarningCode, Date>();

  constructor(parts: ResourceParts) {
    this.#parts = parts;
    this.#startedAt = parts.now();
  }

  /** Checks all of them once. */
  warnings(): readonly WarningDocument[] {
    const now = this.#parts.now();
    const troubles = [this.#mesh(now), this.#svid(now), this.#certificate(now)].filter(
      (each) => each !== undefined,
    );
    for (const code of this.#since.keys())
      if (!troubles.some(([found]) => found === code)) this.#since.delete(code);
    return troubles.map(([code, message]) => {
      const since = this.#since.get(code) ?? now;
      this.#since.set(code, since);
      return { trust_domain: null, code, message, since: since.toISOString() };
    });
  }

  #mesh(now: Date): Trouble | undefined {
    const { connected, code, message, lastContactAt } = this.#parts.mesh();
    if (connected || (lastContactAt === undefined && this.#isStarting(now))) return undefined;
    const last = lastContactAt ? `, last answer at ${lastContactAt.toISOString()}` : '';
    return [
      'mesh-unreachable',
      `our own mesh cannot be read or written: ${message ?? 'it did not answer'} [${code ?? 'mesh-failed'}]${last}`,
    ];
  }

  #svid(now: Date): Trouble | undefined {
    const identity = this.#parts.identity();
    if (!identity) return undefined;
    const { id, from, code, message } = identity;
    if (code !== null)
      return [
        'own-svid-unusable',
        `the agent's own SVID from ${from} cannot be used: ${message ?? code} [${code}]`,
      ];
    if (id !== null || this.#isStarting(now)) return undefined;
    return ['own-svid-unusable', `${from} has given the agent no SVID yet`];
  }

  #certificate(now: Date): Trouble | undefined {
    const { certificateEndsAt: end, certificateTrouble: trouble } = this.#parts.endpoint;
    if (trouble)
      return [
        'endpoint-certificate-unusable',
        `the new certificate of the bundle endpoint is not shown, the last one is: ${trouble.message}`,
      ];
    if (!end || end > now) return undefined;
    return [
      'endpoint-certificate-unusable',
      `the certificate of the bundle endpoint ended at ${end.toISOString()}: no peer can poll us`,
    ];
  }

  #isStarting(now: Date): boolean {
    return now.getTime() - this.#startedAt.getTime() < FIRST_ANSWER_MS;
  }
}
