import type { PeerVerifier } from '../mtls/index.ts';
import type { Relationship } from '../store/index.ts';
import { fetchPath, type Reach } from '../federation/index.ts';
import { MAX_SEEN_CHARACTERS, SEEN_PATH } from './seen-claims.ts';

/** What asking a peer's agent takes. */
export interface AskParts extends Pick<Reach, 'lookup' | 'guard' | 'proxy' | 'fetchLimits' | 'clock'> {
  readonly verifier: PeerVerifier;
}

/**
 * Asks a peer's agent what it saw, at its bundle endpoint. The request is authenticated and bounded
 * like a poll, and `holding` identifies us. Gives the signed statement, which the caller still has
 * to verify. Throws `FetchError`; `status-refused` from an endpoint that does not know this path.
 */
export async function fetchSeen(
  parts: AskParts,
  { endpointUrl, profile, webPkiCaPem }: Relationship,
  holding: string,
  signal: AbortSignal,
): Promise<string> {
  const { verifier, fetchLimits } = parts;
  const answer = await fetchPath(parts, {
    url: new URL(SEEN_PATH, endpointUrl),
    trust: { profile, verifier, webPkiCaPem },
    holding,
    limits: { ...fetchLimits, maxBodyBytes: MAX_SEEN_CHARACTERS },
    signal,
  });
  return answer.kind === 'document' ? Buffer.from(answer.body).toString('latin1') : '';
}
