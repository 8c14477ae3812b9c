import { type Clock, Listeners, TokenBucket } from '../../platform/index.ts';
import {
  parseStrictJson,
  type StatementSigner,
  signStatement,
  type TrustDomain,
} from '../../spiffe/index.ts';
import {
  CATALOGUE_LIMITS,
  catalogueContent,
  type CatalogueContent,
  EXPORTS_TYPE,
  readCatalogueContent,
  writeCatalogue,
} from '../../services/index.ts';
import type { CatalogueVersion, Store } from '../../store/index.ts';

/** Versions that a peer may get at once, and how soon one more. A mesh that flaps is slowed down by it. */
const VERSIONS = { most: 20, everyMs: 10_000 };
/** Room for the claims around the content, the certificates and the signature. */
const CARRIER_CHARACTERS = 48 * 1024;

/** The newest catalogue that a peer has from us. */
export interface Issued extends CatalogueContent {
  readonly sequence: number;
  readonly at: Date;
}

/** A signed catalogue as it is served. */
export interface SignedCatalogue {
  readonly token: string;
  /** Other text for another content, time or signer. */
  readonly etag: string;
}

export interface IssuedCataloguesParts {
  readonly store: Pick<Store, 'issueCatalogue' | 'issuedCatalogue'>;
  readonly own: () => TrustDomain | undefined;
  readonly signer: () => StatementSigner | undefined;
  readonly lifetimeMs: number;
  readonly refreshHint: number;
  readonly clock: Clock;
}

/**
 * The catalogues that peers have from us. Because a version is stored before it is served, a sequence
 * that a peer saw never comes with other content, also after the agent was killed in between.
 */
export class IssuedCatalogues {
  readonly #parts: IssuedCataloguesParts;
  readonly #issued = new Map<TrustDomain, Issued>();
  readonly #signed = new Map<
    TrustDomain,
    SignedCatalogue & { readonly of: string; readonly renewAtMs: number }
  >();
  readonly #buckets = new Map<TrustDomain, TokenBucket>();
  readonly #listeners = new Listeners<[TrustDomain]>();

  constructor(parts: IssuedCataloguesParts) {
    this.#parts = parts;
  }

  /** Calls back when a peer has another catalogue. */
  readonly onChange = this.#listeners.add;

  /** What a peer has; read from the store the first time. Rejects with `StoreError`. */
  async of(consumer: TrustDomain): Promise<Issued | undefined> {
    const known = this.#issued.get(consumer);
    if (known || this.#parts.own() === undefined) return known;
    const version = await this.#parts.store.issuedCatalogue(consumer);
    if (version) this.#issued.set(consumer, this.#read(version, consumer));
    return this.#issued.get(consumer);
  }

  /** What is known without the store. */
  peek(consumer: TrustDomain): Issued | undefined {
    return this.#issued.get(consumer);
  }

  /**
   * Gives a peer this content from now on. Equal content writes nothing. False where the peer got
   * too many versions lately, and the caller tries again later. Rejects with `StoreError`.
   */
  async issue(consumer: TrustDomain, content: CatalogueContent): Promise<boolean> {
    const { store, clock } = this.#parts;
    const before = await this.of(consumer);
    const document = catalogueContent(content);
    if (before && catalogueContent(before) === document) return true;
    if (!this.#bucketOf(consumer).take()) return false;
    const at = clock.now();
    const version = await store.issueCatalogue({ trustDomain: consumer, document }, at, {
      at,
      kind: 'catalogue-issued',
      trustDomain: consumer,
      actor: 'agent',
      message: `${consumer} gets another list of our services, with ${content.services.length} of them`,
      detail: { services: content.services.map(({ id, state }) => `${id} ${state}`) },
    });
    this.#issued.set(consumer, this.#read(version, consumer));
    this.#listeners.notify(consumer);
    return true;
  }

  /**
   * Forgets the peers without a relationship. A later one goes on with the next sequence, which the
   * store keeps.
   */
  keepOnly(consumers: readonly TrustDomain[]): void {
    const kept = new Set(consumers);
    for (const map of [this.#issued, this.#signed, this.#buckets])
      for (const consumer of map.keys()) if (!kept.has(consumer)) map.delete(consumer);
  }

  /**
   * The catalogue of a peer, signed now or a while ago: a signature is renewed when half of its time
   * is over. Undefined without content, or without an SVID.
   */
  async signedFor(consumer: TrustDomain): Promise<SignedCatalogue | undefined> {
    const { own, signer: current, lifetimeMs, refreshHint, clock } = this.#parts;
    const [issued, signer, trustDomain] = [await this.of(consumer), current(), own()];
    if (!issued || !signer || trustDomain === undefined) return undefined;
    const leaf = Buffer.from(signer.certificateChain[0] ?? []).toString('base64');
    const of = JSON.stringify([issued.sequence, leaf, trustDomain]);
    const before = this.#signed.get(consumer);
    if (before?.of === of && clock.monotonicMs() < before.renewAtMs) return before;
    const issuedAt = clock.now();
    const expiresAt = new Date(issuedAt.getTime() + lifetimeMs);
    const { sequence, gateways, services } = issued;
    const catalogue = { trustDomain, audience: consumer, sequence, issuedAt, expiresAt, refreshHint };
    const token = await signStatement({
      type: EXPORTS_TYPE,
      signer,
      audience: consumer,
      issuedAt,
      expiresAt,
      claims: writeCatalogue({ ...catalogue, gateways, services }),
    });
    const etag = `"${sequence}.${Math.floor(issuedAt.getTime() / 1000)}"`;
    const signed = { token, etag, of, renewAtMs: clock.monotonicMs() + lifetimeMs / 2 };
    this.#signed.set(consumer, signed);
    return signed;
  }

  #bucketOf(consumer: TrustDomain): TokenBucket {
    const known = this.#buckets.get(consumer);
    if (known) return known;
    const bucket = new TokenBucket(this.#parts.clock, VERSIONS);
    this.#buckets.set(consumer, bucket);
    return bucket;
  }

  #read({ sequence = 0, document = '{}', at }: CatalogueVersion, consumer: TrustDomain): Issued {
    const owner = this.#parts.own() ?? consumer;
    const claims = parseStrictJson(Buffer.from(document), {
      maxBytes: 4 * CATALOGUE_LIMITS.characters,
      maxDepth: 16,
    });
    if (!(claims instanceof Map)) throw new TypeError('unreachable: a stored catalogue is an object');
    const reading = { owner, audience: consumer, refuseHost: () => undefined };
    return { ...readCatalogueContent(claims, reading), sequence, at };
  }
}

/** Why this content is too large for a peer; undefined where it is not. */
export function tooLarge(content: CatalogueContent): string | undefined {
  const { services } = content;
  if (services.length > CATALOGUE_LIMITS.services)
    return `it would have ${services.length} services, and at most ${CATALOGUE_LIMITS.services} are allowed`;
  // A statement carries its claims in base64url.
  const characters = Math.ceil((Buffer.byteLength(catalogueContent(content)) * 4) / 3) + CARRIER_CHARACTERS;
  if (characters > CATALOGUE_LIMITS.characters)
    return `it would have ${characters} characters, and at most ${CATALOGUE_LIMITS.characters} are allowed`;
  return undefined;
}
