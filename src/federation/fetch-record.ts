import type { Log } from '../platform/index.ts';
import type { EndpointProfile, TrustDomain } from '../spiffe/index.ts';
import type { FetchTrace } from './errors.ts';

/**
 * The one log record that every fetch leaves, so that "why do we trust this key?" can be answered from the log and the
 * history alone (FED-43).
 */
export function recordFetch(
  log: Log,
  fetched: {
    readonly trustDomain: TrustDomain;
    readonly endpointUrl: string;
    readonly profile: EndpointProfile;
    readonly trace: FetchTrace | undefined;
    /** What the fetch led to: a verdict's kind, or `failed`. */
    readonly outcome: string;
    readonly code?: string | undefined;
    readonly error?: unknown;
    readonly sequence?: bigint | undefined;
  },
): void {
  const { trustDomain, endpointUrl, profile, trace, outcome, code, error, sequence } = fetched;
  const fields = {
    trustDomain,
    endpointUrl,
    profile: profile.kind,
    ...(profile.kind === 'https_spiffe' ? { endpointId: profile.endpointId } : {}),
    redirects: trace?.redirects ?? [],
    ...(trace?.leafFingerprint === undefined ? {} : { leafFingerprint: trace.leafFingerprint }),
    ...(trace?.rootFingerprint === undefined ? {} : { rootFingerprint: trace.rootFingerprint }),
    ...(sequence === undefined ? {} : { sequence }),
    outcome,
    ...(code === undefined ? {} : { code }),
    ...(error === undefined ? {} : { error }),
    ...(trace === undefined ? {} : { durationMs: trace.durationMs }),
  };
  if (outcome === 'unchanged' || outcome === 'accepted' || outcome === 'bootstrap')
    log.info('bundle fetch', fields);
  else log.warn('bundle fetch', fields);
}

/** The certificates that proved a fetched document, as the history keeps them. */
export function provedBy({ leafFingerprint, rootFingerprint }: FetchTrace): string | undefined {
  return leafFingerprint && `leaf ${leafFingerprint} root ${rootFingerprint ?? 'unknown'}`;
}
