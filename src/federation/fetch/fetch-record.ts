import { defined } from '../../objects/index.ts';
import type { Log } from '../../platform/index.ts';
import type { EndpointProfile, ParsedBundle, TrustDomain } from '../../spiffe/index.ts';
import type { FetchTrace } from './errors.ts';

/**
 * The one log record that every fetch leaves, so that "why do we trust this key?" can be answered
 * from the log and the history alone (FED-43).
 */
export function recordFetch(
  log: Log,
  fetched: {
    readonly trustDomain: TrustDomain;
    readonly endpointUrl: string;
    readonly profile: EndpointProfile;
    readonly trace: FetchTrace | undefined;
    readonly outcome: { readonly kind: string; readonly code?: string };
    readonly error?: unknown;
    /** The code of what an operator should look at, although the fetch went well. */
    readonly warning?: string | undefined;
    /** The document, where it could be read. */
    readonly offer?: ParsedBundle | undefined;
  },
): void {
  const { trustDomain, endpointUrl, profile, trace, outcome, error, offer, warning } = fetched;
  const notes = offer?.notes ?? [];
  const fields = {
    trustDomain,
    endpointUrl,
    profile: profile.kind,
    ...(profile.kind === 'https_spiffe' ? { endpointId: profile.endpointId } : {}),
    ...(profile.kind === 'signed_bundle' ? { signerId: profile.signerId } : {}),
    redirects: trace?.redirects ?? [],
    ...defined({
      leafFingerprint: trace?.leafFingerprint,
      rootFingerprint: trace?.rootFingerprint,
      sequence: offer?.bundle.sequence,
    }),
    ...(notes.length === 0 ? {} : { notes: [...new Set(notes.map(({ code }) => code))] }),
    outcome: outcome.kind,
    ...defined({ code: warning ?? outcome.code, error, durationMs: trace?.durationMs }),
  };
  // A published private key needs an operator at once, however well the fetch went.
  const good = GOOD.has(outcome.kind) && warning === undefined && !notes.some(({ grave }) => grave);
  if (good) log.info('bundle fetch', fields);
  else log.warn('bundle fetch', fields);
}

const GOOD: ReadonlySet<string> = new Set(['unchanged', 'accepted', 'bootstrap', 'called-off', 'watched']);

/** The certificates that proved a fetched document, as the history keeps them. */
export function provedBy({ leafFingerprint, rootFingerprint }: FetchTrace): string | undefined {
  return leafFingerprint && `leaf ${leafFingerprint} root ${rootFingerprint ?? 'unknown'}`;
}
