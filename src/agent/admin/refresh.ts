import type { HandlersOf, refreshRoutes } from '../../admin/index.ts';
import type { Federation } from '../../federation/index.ts';
import { parseTrustDomain } from '../../spiffe/index.ts';
import { describeOutcome } from './describe-outcome.ts';

/** Polls at the operator's request. */
export function refreshHandlers(
  federation: Pick<Federation, 'leftOut' | 'peers'>,
): HandlersOf<keyof typeof refreshRoutes> {
  return {
    'POST /v1/refresh': async ({ body, actor }) => {
      const trustDomain = body.trust_domain === undefined ? undefined : parseTrustDomain(body.trust_domain);
      if (trustDomain !== undefined && body.accept_once === true) {
        const reason = 'accepted once by the operator';
        const { outcome } = await federation.peers.of(trustDomain).pollAgain({ actor, reason });
        return [describeOutcome(trustDomain, outcome, federation.leftOut.of(trustDomain))];
      }
      const results = await federation.peers.poll(trustDomain);
      return results.map((result) =>
        describeOutcome(result.trustDomain, result.outcome, federation.leftOut.of(result.trustDomain)),
      );
    },
  };
}
