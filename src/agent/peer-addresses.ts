import { isIP } from 'node:net';
import { createHostLookup } from '../federation/index.ts';
import type { Relationship } from '../store/index.ts';

/** Names that are looked up in one round, one after the other. */
const MOST = 64;

/**
 * The addresses of peers' endpoints, to guess the peer behind a poll without a name. A guess only:
 * a peer may poll from elsewhere, and several may share an address.
 */
export class PeerAddresses {
  readonly #lookup = createHostLookup();
  readonly #known = new Map<string, readonly string[]>();

  /** The addresses of the endpoint, as they were looked up last; none before. */
  of({ endpointUrl }: Relationship): readonly string[] {
    const host = hostOf(endpointUrl);
    if (host === undefined) return [];
    return isIP(host) ? [host] : (this.#known.get(host) ?? []);
  }

  /**
   * Looks up the names of these peers' endpoints. Never rejects: a name without an answer keeps its
   * earlier addresses.
   */
  async refresh(relationships: readonly Relationship[], signal: AbortSignal): Promise<void> {
    const hosts = new Set(relationships.flatMap(({ endpointUrl }) => hostOf(endpointUrl) ?? []));
    for (const host of this.#known.keys()) if (!hosts.has(host)) this.#known.delete(host);
    for (const host of [...hosts].filter((each) => !isIP(each)).slice(0, MOST)) {
      if (signal.aborted) return;
      try {
        this.#known.set(host, await this.#lookup(host, signal));
      } catch {
        // The poller reports names that are not found.
      }
    }
  }
}

function hostOf(endpointUrl: string): string | undefined {
  return URL.parse(endpointUrl)?.hostname.replace(/^\[|\]$/g, '');
}
