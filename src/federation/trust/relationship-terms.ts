import { defined } from '../../objects/index.ts';
import { CodedError } from '../../spiffe/index.ts';
import type { Relationship } from '../../store/index.ts';
import { FederationError } from '../fetch/errors.ts';
import { parseSourceUrl } from '../fetch/source-url.ts';

/**
 * What an operator agrees on with a peer in addition to its endpoint: further addresses, which
 * changes wait for approval, and how old the bundle may grow.
 */
export type RelationshipTerms = Pick<Relationship, 'moreEndpointUrls' | 'policy' | 'staleAfterSeconds'>;

/** Each may cost a whole time-out at every poll. */
const MOST_ADDRESSES = 8;

/**
 * Gives the terms as the store keeps them: addresses in their canonical form, without defaults.
 * Throws `FederationError` `relationship-invalid`: too many addresses, one twice or none at all, an
 * age that is not a whole number of seconds above zero.
 */
export function checkTerms(
  { trustDomain, endpointUrl, profile }: Pick<Relationship, 'trustDomain' | 'endpointUrl' | 'profile'>,
  { moreEndpointUrls = [], policy, staleAfterSeconds }: RelationshipTerms,
): RelationshipTerms {
  const refuse = (why: string, cause?: unknown) =>
    new FederationError('relationship-invalid', `the relationship with ${trustDomain} cannot be: ${why}`, {
      cause,
    });
  const hrefOf = (url: string): string => {
    try {
      return parseSourceUrl(url, profile).href;
    } catch (error) {
      throw error instanceof CodedError ? refuse(error.message, error) : error;
    }
  };
  const [first = '', ...more] = [endpointUrl, ...moreEndpointUrls].map(hrefOf);
  if (more.length + 1 > MOST_ADDRESSES)
    throw refuse(`it has ${more.length + 1} addresses, and ${MOST_ADDRESSES} are the most`);
  if (new Set([first, ...more]).size !== more.length + 1) throw refuse('it has the same address twice');
  if (staleAfterSeconds !== undefined && !(Number.isSafeInteger(staleAfterSeconds) && staleAfterSeconds > 0))
    throw refuse('an age limit is a whole number of seconds above zero');
  return {
    ...(more.length === 0 ? {} : { moreEndpointUrls: more }),
    ...(policy === undefined || policy === 'ask-on-dangerous' ? {} : { policy }),
    ...defined({ staleAfterSeconds }),
  };
}
