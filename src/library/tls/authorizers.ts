import { type Authorize, MtlsError } from '../../mtls/index.ts';
import type { SpiffeId, TrustDomain } from '../../spiffe/index.ts';

/** Admits every peer whose SVID is proved. */
export function authorizeAny(): Authorize {
  return () => {};
}

/** Admits the peer with exactly this SPIFFE ID. */
export function authorizeId(allowed: SpiffeId): Authorize {
  return authorizeOneOf([allowed]);
}

/** Admits the peers with one of these SPIFFE IDs; with an empty list none. */
export function authorizeOneOf(allowed: Iterable<SpiffeId>): Authorize {
  const ids = new Set(allowed);
  return ({ id }) => {
    if (ids.has(id)) return;
    const wanted = ids.size === 0 ? 'nobody' : [...ids].slice(0, MOST_NAMED).join(' or ');
    throw refusal(`the peer is ${id}, admitted is ${wanted}${ids.size > MOST_NAMED ? ' and others' : ''}`);
  };
}

/** Admits the peers whose SPIFFE ID is of this trust domain. */
export function authorizeMemberOf(allowed: TrustDomain): Authorize {
  return ({ id, trustDomain }) => {
    if (trustDomain !== allowed)
      throw refusal(`the peer is ${id}, admitted are members of trust domain ${allowed}`);
  };
}

/** A sentence does not list more IDs than this. */
const MOST_NAMED = 5;

function refusal(message: string): MtlsError {
  return new MtlsError('peer-not-authorized', message);
}
