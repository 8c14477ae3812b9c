import { defined } from '../../objects/index.ts';
import { type ImportReport, shorterReports } from '../../services/index.ts';
import type { Clock, Log } from '../../platform/index.ts';
import {
  type BundleSource,
  contentDigest,
  type StatementSigner,
  signStatement,
  type TrustDomain,
} from '../../spiffe/index.ts';
import {
  type Holding,
  HOLDING_TYPE,
  holdingClaims,
  MAX_HOLDING_CHARACTERS,
  type MeshProgress,
} from '../fetch/holding-claims.ts';

const LIFETIME_MS = 10 * 60_000;
/** For endpoints that took a poll without the statement only. */
const LEFT_OUT_MS = 60 * 60_000;

interface Signed {
  readonly token: string;
  /** The content and its signer: another content is another statement. */
  readonly content: string;
  readonly renewAtMs: number;
}

interface Known {
  digest: string;
  since: Date;
  inMesh?: { readonly digest: string; readonly progress: MeshProgress; readonly since: Date };
}

interface HoldingParts {
  readonly signer: () => StatementSigner | undefined;
  readonly held: BundleSource;
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * What we report to a peer about its own bundle when we poll it. The report has the version that we
 * hold and how far it came in our mesh, and our SVID signs it. We sign again only when that changes
 * or is about to expire, so that a poll stays cheap. An agent without an SVID reports nothing.
 */
export class HoldingStatements {
  readonly #options: HoldingParts;
  readonly #known = new Map<TrustDomain, Known>();
  readonly #signed = new Map<TrustDomain, Signed>();
  readonly #leftOutUntilMs = new Map<TrustDomain, number>();
  #progressed: (trustDomain: TrustDomain) => void = () => {};
  #importsOf: (trustDomain: TrustDomain) => ImportReport | undefined = () => undefined;

  constructor(options: HoldingParts) {
    this.#options = options;
  }

  /** A bundle of this content is held since then. */
  holds(trustDomain: TrustDomain, digest: string, since: Date): void {
    const known = this.#known.get(trustDomain);
    if (known?.digest === digest) return;
    this.#known.set(trustDomain, { digest, since, ...defined({ inMesh: known?.inMesh }) });
  }

  /** Nothing of this trust domain is held any more. */
  drops(trustDomain: TrustDomain): void {
    this.#known.delete(trustDomain);
    this.#signed.delete(trustDomain);
    this.#leftOutUntilMs.delete(trustDomain);
  }

  /**
   * Notes how far a bundle (`contentDigest`) came in our mesh. The next request reports it, and the
   * listener hears of it when it is news.
   */
  reached(trustDomain: TrustDomain, digest: string, progress: MeshProgress, at: Date): void {
    const known = this.#known.get(trustDomain);
    if (!known || (known.inMesh?.digest === digest && known.inMesh.progress === progress)) return;
    known.inMesh = { digest, progress, since: at };
    this.#progressed(trustDomain);
  }

  /** Calls back whenever a bundle has come further in our mesh. */
  onProgress(listener: (trustDomain: TrustDomain) => void): void {
    this.#progressed = listener;
  }

  /** Reports what we import of a peer's services too. */
  reportImports(importsOf: (trustDomain: TrustDomain) => ImportReport | undefined): void {
    this.#importsOf = importsOf;
  }

  /**
   * The endpoint of this trust domain answered only without the statement: it is left out for a
   * while.
   */
  leaveOut(trustDomain: TrustDomain): void {
    this.#leftOutUntilMs.set(trustDomain, this.#options.clock.monotonicMs() + LEFT_OUT_MS);
  }

  /**
   * Gives the statement for a poll of this trust domain; undefined without content or signer. Never
   * rejects.
   */
  async statementFor(trustDomain: TrustDomain): Promise<string | undefined> {
    const { signer: current, clock, log } = this.#options;
    const holding = this.#holding(trustDomain);
    const signer = current();
    if (!holding || !signer) return undefined;
    if (clock.monotonicMs() < (this.#leftOutUntilMs.get(trustDomain) ?? 0)) return undefined;
    const imports = this.#importsOf(trustDomain);
    const claims = holdingClaims({ ...holding, ...defined({ imports }) });
    const content = JSON.stringify([
      claims,
      Buffer.from(signer.certificateChain[0] ?? []).toString('base64'),
    ]);
    const before = this.#signed.get(trustDomain);
    if (before?.content === content && clock.monotonicMs() < before.renewAtMs) return before.token;
    const issuedAt = clock.now();
    try {
      const sign = (reduced: Holding) =>
        signStatement({
          type: HOLDING_TYPE,
          signer,
          audience: trustDomain,
          issuedAt,
          expiresAt: new Date(issuedAt.getTime() + LIFETIME_MS),
          claims: holdingClaims(reduced),
        });
      const token = await firstThatFits(holding, imports, sign);
      if (token === undefined) return undefined;
      this.#signed.set(trustDomain, { token, content, renewAtMs: clock.monotonicMs() + LIFETIME_MS / 2 });
      return token;
    } catch (error) {
      // A poll without it is as good a poll.
      log.warn('what is held could not be signed', { trustDomain, error });
      return undefined;
    }
  }

  #holding(trustDomain: TrustDomain): Holding | undefined {
    const bundle = this.#options.held.bundleFor(trustDomain);
    const known = this.#known.get(trustDomain);
    if (!bundle || !known) return undefined;
    const { inMesh } = known;
    const there = inMesh?.digest === known.digest;
    return {
      digest: contentDigest(bundle),
      since: known.since,
      ...defined({ sequence: bundle.sequence }),
      ...(inMesh && there ? { inMesh: { progress: inMesh.progress, since: inMesh.since } } : {}),
    };
  }
}

/** The statement with as much of the report about imports as there is room for. */
async function firstThatFits(
  holding: Holding,
  imports: ImportReport | undefined,
  sign: (holding: Holding) => Promise<string>,
): Promise<string | undefined> {
  const reports = imports ? shorterReports(imports) : [];
  for (const each of [...reports, undefined]) {
    const token = await sign({ ...holding, ...defined({ imports: each }) });
    if (token.length <= MAX_HOLDING_CHARACTERS) return token;
  }
  return undefined;
}
