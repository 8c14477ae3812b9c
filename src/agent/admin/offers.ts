import type {
  HandlersOf,
  OfferDocument,
  OfferedKeyDocument,
  offerRoutes,
  ReviewDocument,
} from '../../admin/index.ts';
import type { Federation, WaitingOffer } from '../../federation/index.ts';
import {
  contentDigest,
  type JwtAuthority,
  parseTrustDomain,
  type TrustDomain,
  type X509Authority,
} from '../../spiffe/index.ts';
import { describeOutcome } from './describe-outcome.ts';
import { meaningOf } from './offer-meaning.ts';

/** Shows the offers that wait for the operator, and takes the decisions. */
export function offerHandlers({
  reviews,
}: Pick<Federation, 'reviews'>): HandlersOf<keyof typeof offerRoutes> {
  const review = async (trustDomain?: TrustDomain): Promise<ReviewDocument> => {
    const [waiting, rejected] = [await reviews.waiting(trustDomain), await reviews.rejected(trustDomain)];
    return {
      waiting: waiting.map(describeOffer),
      rejected: rejected.map(({ trustDomain: name, digest, at, actor, reason }) => ({
        trust_domain: name,
        digest,
        since: at.toISOString(),
        actor,
        reason,
      })),
    };
  };
  return {
    'GET /v1/offers': () => review(),
    'GET /v1/offers/{trust_domain}': ({ params }) => review(parseTrustDomain(params.trust_domain)),
    'POST /v1/offers/{trust_domain}': async ({ params, body, actor }) => {
      const trustDomain = parseTrustDomain(params.trust_domain);
      const { decision, digest, reason } = body;
      const named = digest?.replace(/^sha256:/, '');
      const decided = await reviews[decision](trustDomain, { actor, reason }, named);
      const { outcome, code, message } = describeOutcome(trustDomain, decided.outcome);
      return {
        trust_domain: trustDomain,
        decision,
        digest: decided.digest,
        poll: { outcome, code, message },
      };
    },
  };
}

function describeOffer(offer: WaitingOffer): OfferDocument {
  const { relationship, offered, held, diff, since, lastAt, status, code, message, origin, digest } = offer;
  return {
    trust_domain: relationship.trustDomain,
    status,
    code,
    message,
    meaning: meaningOf(offer),
    policy: relationship.policy ?? 'ask-on-dangerous',
    profile: relationship.profile.kind,
    origin,
    since: since.toISOString(),
    seen: offer.times,
    last_seen: lastAt.toISOString(),
    digest,
    sequence: offered.sequence?.toString() ?? null,
    held_digest: held ? contentDigest(held) : null,
    held_sequence: held?.sequence?.toString() ?? null,
    added: [...diff.addedX509.map(describeRoot), ...diff.addedJwt.map(describeJwt)],
    removed: [...diff.removedX509.map(describeRoot), ...diff.removedJwt.map(describeJwt)],
    kept: [...diff.keptX509.map(describeRoot), ...diff.keptJwt.map(describeJwt)],
  };
}

function describeRoot({ fingerprint, subject, notBefore, notAfter }: X509Authority): OfferedKeyDocument {
  const validity = { not_before: notBefore.toISOString(), not_after: notAfter.toISOString() };
  return { kind: 'x509', fingerprint, subject, key_id: null, ...validity };
}

function describeJwt({ keyId }: JwtAuthority): OfferedKeyDocument {
  return { kind: 'jwt', fingerprint: null, subject: null, key_id: keyId, not_before: null, not_after: null };
}
