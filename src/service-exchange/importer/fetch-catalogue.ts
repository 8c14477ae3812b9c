import type { PeerVerifier } from '../../mtls/index.ts';
import { type FetchLimits, fetchPath, type PathOutcome, type Reach } from '../../federation/index.ts';
import { CATALOGUE_LIMITS, EXPORTS_PATH } from '../../services/index.ts';
import type { Relationship } from '../../store/index.ts';

/** What fetching a catalogue takes. */
export interface CatalogueFetchParts
  extends Pick<Reach, 'lookup' | 'guard' | 'proxy' | 'fetchLimits' | 'clock'> {
  readonly verifier: PeerVerifier;
}

/** The document that we have, and how long the endpoint may wait for another one. */
export interface CatalogueWait {
  readonly etag: string | undefined;
  readonly seconds: number;
  /** The address of the endpoint that is asked. */
  readonly url: string;
}

/**
 * Fetches what a peer exports to us, from its bundle endpoint. The request is authenticated and
 * bounded like a poll, and `holding` identifies us. Throws `FetchError`; `status-refused` from an
 * endpoint that exports nothing to us, or that does not know this path.
 */
export function fetchCatalogue(
  parts: CatalogueFetchParts,
  { profile, webPkiCaPem }: Relationship,
  holding: string,
  { etag, seconds, url }: CatalogueWait,
  signal: AbortSignal,
): Promise<PathOutcome> {
  const { verifier, fetchLimits } = parts;
  const limits: FetchLimits = { ...fetchLimits, maxBodyBytes: CATALOGUE_LIMITS.characters };
  return fetchPath(parts, {
    url: new URL(EXPORTS_PATH, url),
    trust: { profile, verifier, webPkiCaPem },
    holding,
    etag,
    waitSeconds: seconds,
    limits,
    signal,
  });
}
