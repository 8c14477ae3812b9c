import { describeError } from '../../platform/index.ts';
import { contentDigest, type TrustBundle, type X509Authority } from '../../spiffe/index.ts';
import type { ForeignTrustReport } from '../contract/mesh-adapter.ts';
import type { PropagationState } from '../contract/propagation-state.ts';
import { PROXY_SUFFIX } from './announcement.ts';

/** Services that a sentence names. */
const MAX_NAMED = 20;

interface Outcome {
  readonly state: PropagationState;
  readonly digest: string;
  readonly code?: string;
  readonly message?: string;
}

/** What we send through one peering, and what the control plane did with it. */
export interface PeerTrust {
  readonly bundle: TrustBundle;
  /** The admitted roots of the bundle. */
  readonly roots: readonly X509Authority[];
  /** The label of what the control plane has accepted, also while the stream is lost. */
  readonly accepted: string | undefined;
  /** The services that the cluster exports to the peer, in order. */
  readonly exports: readonly string[];
  readonly outcome: Outcome;
}

export type TrustEvent =
  | { readonly kind: 'wanted'; readonly bundle: TrustBundle; readonly roots: readonly X509Authority[] }
  | { readonly kind: 'accepted'; readonly label: string }
  | { readonly kind: 'refused'; readonly label: string; readonly reason: string }
  | { readonly kind: 'exported'; readonly services: readonly string[] }
  | { readonly kind: 'peering-ended' }
  | { readonly kind: 'unreachable'; readonly error: unknown };

/** `send`: the open stream has another bundle to send. `report`: the report has changed. */
export type TrustEffect = 'send' | 'report' | 'log-exports';

export interface TrustStep {
  readonly trust: PeerTrust;
  readonly effects: readonly TrustEffect[];
}

/** Returns the trust of a new link, of which the control plane has seen nothing yet. */
export function pendingTrust(bundle: TrustBundle, roots: readonly X509Authority[]): PeerTrust {
  const outcome = { state: 'pending', digest: contentDigest(bundle) } as const;
  return { bundle, roots, accepted: undefined, exports: [], outcome };
}

/** Returns the trust after an event, and what the link must do. Pure. */
export function nextTrust(trust: PeerTrust, event: TrustEvent): TrustStep {
  const digest = contentDigest(trust.bundle);
  switch (event.kind) {
    case 'wanted': {
      const next = { ...trust, bundle: event.bundle, roots: event.roots };
      if (labelOf(next) === labelOf(trust)) return { trust: next, effects: [] };
      const outcome = { state: 'pending', digest: contentDigest(event.bundle) } as const;
      return { trust: { ...next, outcome }, effects: ['send'] };
    }
    case 'accepted': {
      const next = { ...trust, accepted: event.label };
      return event.label === labelOf(trust)
        ? reported(next, { state: 'accepted', digest })
        : { trust: next, effects: [] };
    }
    case 'refused': {
      if (event.label !== labelOf(trust)) return { trust, effects: [] };
      const message = `the control plane refused the bundle: ${JSON.stringify(event.reason)}`;
      return reported(trust, { state: 'refused', digest, code: 'mesh-refused', message });
    }
    case 'exported': {
      // A mesh service is reported twice: itself, and its proxy.
      const exports = event.services.filter((name) => !name.endsWith(PROXY_SUFFIX)).toSorted();
      if (exports.join() === trust.exports.join()) return { trust, effects: [] };
      const effects: TrustEffect[] =
        trust.outcome.state === 'accepted' ? ['log-exports', 'report'] : ['log-exports'];
      return { trust: { ...trust, exports }, effects };
    }
    case 'peering-ended':
      // With the peering the control plane forgets what it imported, and what it exported.
      return { trust: { ...trust, accepted: undefined, exports: [] }, effects: [] };
    case 'unreachable': {
      const { code = 'peer-stream-lost', message } = describeError(event.error);
      const isHeld = trust.accepted === labelOf(trust);
      return reported(trust, { state: isHeld ? 'accepted' : 'failed', digest, code, message });
    }
  }
}

/** Identifies what is sent by its bundle and by the roots that were admitted. */
export function labelOf({ bundle, roots }: Pick<PeerTrust, 'bundle' | 'roots'>): string {
  return [contentDigest(bundle), ...roots.map(({ fingerprint }) => fingerprint).sort()].join(' ');
}

/** The report about a trust, without its time. */
export function reportOfTrust({ bundle, outcome, exports }: PeerTrust): Omit<ForeignTrustReport, 'at'> {
  const isPlain = outcome.state === 'accepted' && outcome.code === undefined;
  return { trustDomain: bundle.trustDomain, ...outcome, ...(isPlain && noteOf(exports)) };
}

function reported(trust: PeerTrust, outcome: Outcome): TrustStep {
  return { trust: { ...trust, outcome }, effects: ['report'] };
}

/**
 * What the trust opens: proxies take the roots of a peer only for services that are exported to
 * that peer.
 */
function noteOf(
  services: readonly string[],
): { readonly code: string; readonly message: string } | undefined {
  if (services.length === 0) return undefined;
  const named = services.slice(0, MAX_NAMED).map((name) => JSON.stringify(name.slice(0, 80)));
  const more = services.length > MAX_NAMED ? ` and ${services.length - MAX_NAMED} more` : '';
  return { code: 'services-exported', message: `exported to it: ${named.join(', ')}${more}` };
}
