import { createSpiffeVerifier, type PeerVerifier } from '../../mtls/index.ts';
import type { Clock, Log, Metrics } from '../../platform/index.ts';
import type { BundleSource, X509Svid } from '../../spiffe/index.ts';

const MOST_LOGGED = 1000;

/**
 * What proves the SVIDs of endpoints and agents of peers. A leaf that passes although a strict
 * verifier would refuse it (X509-11) is counted, and logged once for each SPIFFE ID; with
 * `strictKeyUsage` it is refused.
 */
export function createEndpointVerifier(
  {
    clock,
    log,
    metrics,
    strictKeyUsage,
  }: {
    readonly clock: Clock;
    readonly log: Log;
    readonly metrics: Metrics;
    readonly strictKeyUsage?: boolean | undefined;
  },
  bundles: BundleSource,
): PeerVerifier {
  const warned = metrics.counter(
    'federate_svid_warnings_total',
    'SVIDs of peers that were accepted although a strict verifier would refuse them',
    ['warning'],
  );
  const logged = new Set<string>();
  const onWarning = ({ id, warnings }: X509Svid) => {
    for (const warning of warnings) {
      warned.inc({ warning });
      const name = `${warning} ${id}`;
      if (logged.has(name) || logged.size >= MOST_LOGGED) continue;
      logged.add(name);
      log.warn('a strict verifier would refuse an SVID that was accepted', { id, warning });
    }
  };
  return createSpiffeVerifier({ bundles, clock, strictKeyUsage, onWarning });
}
