import { MeshAdapterError } from '../contract/errors.ts';
import { addressOfLeader, LeaderElsewhere } from './leader-address.ts';
import type { PeeringToken } from './peering-token.ts';
import type { TrustEvent } from './peer-trust.ts';

/** Redirections to a leader before a pause. */
const MAX_REDIRECTS = 5;
/** A stream that was open this long was a good one. After a shorter one the pauses become longer. */
const GOOD_STREAM_MS = 60_000;
/** After this many failures in a row the cluster is asked again for its name and its roots. */
const STALE_AFTER = 3;

/** What the link does now, until the next event. */
export type DialStep =
  | { readonly kind: 'request-token' }
  /** Dials, exchanges the token's secret where none is known, and stays on the stream. */
  | {
      readonly kind: 'dial';
      readonly token: PeeringToken;
      readonly address: string;
      readonly secret: string | undefined;
    }
  | { readonly kind: 'pause'; readonly failures: number };

/** How one peering is reached: what is known, and the step that the link takes. */
export interface Dialing {
  readonly step: DialStep;
  readonly token: PeeringToken | undefined;
  /** The secret of the stream. It stays in memory; after a restart a new token replaces it. */
  readonly secret: string | undefined;
  /** Whether the CA, the name or the cluster may be others than in the token. */
  readonly isStale: boolean;
  /** The addresses to dial; `turn` chooses one. */
  readonly addresses: readonly string[];
  readonly turn: number;
  /** The addresses that the cluster reported on a stream. */
  readonly reported: readonly string[];
  /** The addresses that were dialed since a stream was last open. */
  readonly tried: ReadonlySet<string>;
  readonly failures: number;
  readonly redirects: number;
}

export type DialEvent =
  | { readonly kind: 'token'; readonly token: PeeringToken }
  | { readonly kind: 'no-token'; readonly error: unknown }
  | { readonly kind: 'secret'; readonly secret: string }
  | { readonly kind: 'addresses'; readonly addresses: readonly string[] }
  | { readonly kind: 'stream-lost'; readonly error: unknown; readonly openMs: number }
  | { readonly kind: 'pause-over' };

/** A state, and what its event means for the trust that the peering carries. */
export interface DialingStep {
  readonly dialing: Dialing;
  readonly forTrust: readonly TrustEvent[];
}

/** A link begins with a request for a token. */
export const firstDialing: Dialing = {
  step: { kind: 'request-token' },
  token: undefined,
  secret: undefined,
  isStale: false,
  addresses: [],
  turn: 0,
  reported: [],
  tried: new Set(),
  failures: 0,
  redirects: 0,
};

/** Returns the dialing after an event, with its next step. Pure. */
export function nextDialing(dialing: Dialing, event: DialEvent): DialingStep {
  switch (event.kind) {
    case 'token':
      return withToken(dialing, event.token);
    case 'no-token':
      // The stream may return without the API, with the secret that we have.
      return canDial(dialing) ? { dialing: dialed(dialing), forTrust: [] } : failed(dialing, event.error, 0);
    case 'secret':
      return { dialing: { ...dialing, secret: event.secret }, forTrust: [] };
    case 'addresses': {
      if (event.addresses.length === 0) return { dialing, forTrust: [] };
      const { addresses } = event;
      // A server that sends this has accepted the stream.
      return { dialing: { ...dialing, addresses, reported: addresses, tried: new Set() }, forTrust: [] };
    }
    case 'stream-lost':
      return event.error instanceof LeaderElsewhere && dialing.redirects < MAX_REDIRECTS
        ? { dialing: redirected(dialing, event.error), forTrust: [] }
        : failed(dialing, event.error, event.openMs);
    case 'pause-over':
      return { dialing: dialedAgain(dialing), forTrust: [] };
  }
}

function withToken(dialing: Dialing, fresh: PeeringToken): DialingStep {
  const { token } = dialing;
  const isSamePeering = token?.peerId === fresh.peerId;
  const areSameServers = token?.serverName === fresh.serverName && token.caPem === fresh.caPem;
  return {
    dialing: dialed({
      ...dialing,
      token: fresh,
      isStale: false,
      secret: isSamePeering && areSameServers ? dialing.secret : undefined,
      addresses: dialing.addresses.length === 0 || !areSameServers ? fresh.addresses : dialing.addresses,
    }),
    forTrust: token && !isSamePeering ? [{ kind: 'peering-ended' }] : [],
  };
}

function redirected(dialing: Dialing, { address }: LeaderElsewhere): Dialing {
  const known = [...new Set([...(dialing.token?.addresses ?? []), ...dialing.reported])];
  return dialedAgain({
    ...dialing,
    redirects: dialing.redirects + 1,
    addresses: [addressOfLeader(address, known, dialing.tried)],
  });
}

/** Drops what cannot be used again after this error, and pauses. */
function failed(dialing: Dialing, error: unknown, openMs: number): DialingStep {
  // Judge a stream by its length, not by its messages: a server that ends every stream after the
  // first message must not cause a busy loop.
  const failures = openMs >= GOOD_STREAM_MS ? 1 : dialing.failures + 1;
  const code = error instanceof MeshAdapterError ? error.code : undefined;
  const hasEnded = code === 'peering-terminated';
  const secret = hasEnded || code === 'peering-secret-refused' ? undefined : dialing.secret;
  return {
    dialing: {
      ...dialing,
      step: { kind: 'pause', failures },
      secret,
      isStale: failures % STALE_AFTER === 0,
      turn: dialing.turn + 1,
      // The named leader may be gone: return to the addresses of the token, or of the next token
      // where this one is spent.
      addresses: dialing.token && secret !== undefined ? dialing.token.addresses : [],
      tried: new Set(),
      failures,
      redirects: 0,
    },
    forTrust: [...(hasEnded ? [{ kind: 'peering-ended' } as const] : []), { kind: 'unreachable', error }],
  };
}

/** Dials with the token that is known, or requests another one first. */
function dialedAgain(dialing: Dialing): Dialing {
  return canDial(dialing) && !dialing.isStale
    ? dialed(dialing)
    : { ...dialing, step: { kind: 'request-token' } };
}

function canDial({ token, secret }: Dialing): boolean {
  return token !== undefined && secret !== undefined;
}

function dialed(dialing: Dialing): Dialing {
  const { token, secret, addresses, turn, tried } = dialing;
  if (!token) throw new TypeError('unreachable: only a known token is dialed with');
  const address = addresses[turn % addresses.length] ?? '';
  return {
    ...dialing,
    step: { kind: 'dial', token, address, secret },
    tried: new Set([...tried, address]),
  };
}
