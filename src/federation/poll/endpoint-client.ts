import type { PeerVerifier } from '../../mtls/index.ts';
import type { Relationship } from '../../store/index.ts';
import type { DocumentTag, FetchOutcome } from '../fetch/fetch-bundle.ts';
import type { Reach } from '../fetch/reach.ts';
import type { RedirectSettings } from '../fetch/redirects.ts';
import type { TheirSides } from '../fetch/their-side.ts';
import { fetchIdentified } from '../holding/fetch-identified.ts';
import type { HoldingStatements } from '../holding/holding-statements.ts';
import { limitsOf } from '../signed-bundle/fetched-document.ts';

/** What requests at the endpoints of relationships take. */
export interface EndpointClientParts
  extends Pick<Reach, 'clock' | 'lookup' | 'guard' | 'proxy' | 'fetchLimits'> {
  readonly verifier: PeerVerifier;
  readonly redirects: RedirectSettings;
  /** What we report to peers about their bundles. */
  readonly holding: HoldingStatements;
  /** How relationships look from the peers' side. */
  readonly theirSides: Pick<TheirSides, 'note'>;
}

/**
 * Fetches bundle documents from the endpoints of relationships. Each request reports what we hold,
 * and each answer what the peer holds.
 */
export class EndpointClient {
  readonly #parts: EndpointClientParts;

  constructor(parts: EndpointClientParts) {
    this.#parts = parts;
  }

  /**
   * Fetches the document of a relationship, unless `etag` names it already. The endpoint may hold
   * the request for `waitSeconds`. Throws as `fetchBundle`.
   */
  async fetch(
    { trustDomain, endpointUrl, profile, webPkiCaPem }: Relationship,
    {
      etag,
      waitSeconds = 0,
      signal,
    }: {
      readonly etag?: DocumentTag | undefined;
      readonly waitSeconds?: number;
      readonly signal: AbortSignal;
    },
  ): Promise<FetchOutcome> {
    const { clock, lookup, guard, proxy, fetchLimits, verifier, redirects, holding, theirSides } =
      this.#parts;
    const fetched = await fetchIdentified(
      {
        trustDomain,
        endpointUrl,
        profile,
        webPkiCaPem,
        etag,
        waitSeconds,
        verifier,
        redirects,
        lookup,
        guard,
        proxy,
        clock,
        limits: {
          ...limitsOf(profile, fetchLimits),
          firstByteMs: fetchLimits.firstByteMs + waitSeconds * 1000,
          totalMs: fetchLimits.totalMs + waitSeconds * 1000,
        },
        signal,
      },
      holding,
    );
    const { theirReport } = fetched.trace;
    if (theirReport !== undefined) {
      const wasHeld = waitSeconds > 0 && fetched.kind === 'not-modified' && fetched.held;
      await theirSides.note(trustDomain, endpointUrl, theirReport, wasHeld);
    }
    return fetched;
  }
}
