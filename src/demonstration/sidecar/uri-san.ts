import { isTrustDomain, type SpiffeId } from '../../spiffe/index.ts';
import type { UriSanMatcher } from '../../workload-api/index.ts';
import { SidecarError } from './errors.ts';

const SCHEME = 'spiffe://';

/** Whether one of the matchers lets the ID in. */
export function letsIn(matchers: readonly UriSanMatcher[], id: SpiffeId): boolean {
  return matchers.some((matcher) =>
    'exact' in matcher ? id === matcher.exact : id.startsWith(matcher.prefix),
  );
}

/** The beginning or the whole of an ID that a matcher names. */
export function matchedText(matcher: UriSanMatcher): string {
  return 'exact' in matcher ? matcher.exact : matcher.prefix;
}

/**
 * Every matcher names one whole trust domain (X509-41), because a prefix without the slash after it
 * would admit every name that begins alike. Throws `SidecarError` `trust-malformed`.
 */
export function checkMatchers(matchers: readonly UriSanMatcher[]): void {
  for (const matcher of matchers) {
    const text = matchedText(matcher);
    const end = text.indexOf('/', SCHEME.length);
    if (!text.startsWith(SCHEME) || end === -1 || !isTrustDomain(text.slice(SCHEME.length, end))) {
      throw new SidecarError(
        'trust-malformed',
        `a matcher of peers begins with "spiffe://", a trust domain and "/", unlike ${JSON.stringify(text)}`,
      );
    }
  }
}
