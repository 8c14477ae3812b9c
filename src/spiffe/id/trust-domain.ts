import { CodedError } from '../../errors/index.ts';

declare const trustDomainBrand: unique symbol;

/** The name of a trust domain, such as `istio.example`; made only by parsing (SPIFFE-ID §2.1). */
export type TrustDomain = string & { readonly [trustDomainBrand]: true };

export type TrustDomainErrorCode = 'trust-domain-empty' | 'trust-domain-character' | 'trust-domain-too-long';

/** A text is not a trust domain name. */
export class TrustDomainError extends CodedError<TrustDomainErrorCode> {}

/** SPIFFE-ID §2.3: at most 255 bytes. */
const MAX_TRUST_DOMAIN_BYTES = 255;

// The standard prints the set as "a-z0-9.-_"; the hyphen is last here so that it does not form a
// range.
const ALLOWED = /^[a-z0-9._-]+$/;

/**
 * A trust domain from its bare name. Compared byte for byte; never lower-cased, resolved or looked
 * up (SPIFFE-ID §2.1). Throws `TrustDomainError`: `trust-domain-empty`, `trust-domain-character`,
 * `trust-domain-too-long`.
 */
export function parseTrustDomain(text: string): TrustDomain {
  if (text === '') throw new TrustDomainError('trust-domain-empty', 'a trust domain name is not empty');
  if (!ALLOWED.test(text)) {
    throw new TrustDomainError(
      'trust-domain-character',
      `a trust domain name holds only a-z, 0-9, dot, hyphen and underscore, which ${JSON.stringify(text.slice(0, 80))} does not`,
    );
  }
  if (text.length > MAX_TRUST_DOMAIN_BYTES) {
    throw new TrustDomainError(
      'trust-domain-too-long',
      `a trust domain name is at most ${MAX_TRUST_DOMAIN_BYTES} bytes long, this one has ${text.length}`,
    );
  }
  if (!isTrustDomain(text)) throw new TypeError('unreachable: the checks above are the predicate');
  return text;
}

/** Whether `text` is a trust domain name as `parseTrustDomain` accepts it. */
export function isTrustDomain(text: string): text is TrustDomain {
  return text.length <= MAX_TRUST_DOMAIN_BYTES && ALLOWED.test(text);
}
