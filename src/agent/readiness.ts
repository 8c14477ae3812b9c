import type { NotReady } from '../platform/index.ts';
import type { TrustBundle } from '../spiffe/index.ts';

/**
 * Returns why an agent is not ready, for `/readyz`, `/healthz` and `federate status`. An agent is
 * ready when peers can poll it: it knows its own roots, and its bundle endpoint serves them. It is
 * not ready while it can apply no change because its store cannot be used.
 */
export function agentReadiness(parts: {
  readonly own: () => TrustBundle | undefined;
  readonly serving: () => boolean;
  /** Why the store cannot be used. */
  readonly storeTrouble: () => Error | undefined;
}): NotReady {
  return () => {
    if (parts.own() === undefined) return 'the mesh has not reported its roots yet';
    if (!parts.serving()) return 'the bundle endpoint cannot serve: it has no certificate or SVID to present';
    return parts.storeTrouble()?.message;
  };
}
