import { parseEndpointUrl } from '../../spiffe/index.ts';
import { FetchError } from './errors.ts';

/** What a fetch may follow (FED-36, FED-39). */
export interface RedirectSettings {
  /** Off for careful operators, as SPIFFE Federation §7.5.1 suggests. Default true. */
  readonly follow: boolean;
  /** Hops in one fetch. Default 5. */
  readonly max: number;
}

export const defaultRedirectSettings: RedirectSettings = { follow: true, max: 5 };

/**
 * RFC 7231 §6.4, and 308, which is newer and read as 307. 300 offers a choice that an agent cannot
 * make; 304 to 306 do not redirect.
 */
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/** Whether a status asks to look elsewhere. */
export function isRedirect(status: number): boolean {
  return REDIRECTS.has(status);
}

/**
 * Where a redirect leads: resolved against the URL that gave it and held to the rules of an
 * endpoint URL (FED-08, FED-36). Never remembered by anyone: the next fetch starts from the
 * configured URL (FED-38). Throws `FetchError` `redirects-off`, `too-many-redirects`,
 * `redirect-refused`.
 */
export function redirectTarget(input: {
  readonly from: URL;
  readonly location: string | readonly string[] | undefined;
  /** Hops already taken in this fetch. */
  readonly taken: number;
  readonly settings: RedirectSettings;
}): URL {
  const { from, location, taken, settings } = input;
  if (!settings.follow)
    throw new FetchError('redirects-off', `${from.href} redirects, and following redirects is turned off`);
  if (taken >= settings.max)
    throw new FetchError(
      'too-many-redirects',
      `${from.href} redirects after ${taken} hops, and ${settings.max} is the limit`,
    );
  if (typeof location !== 'string' || location === '')
    throw new FetchError(
      'redirect-refused',
      `${from.href} redirects with ${location ? 'several targets' : 'no target'}`,
    );
  try {
    // A target is judged as it was written, before any URL parser tidies it up.
    if (/[\s\\\p{Cc}]/u.test(location))
      throw new TypeError('a URL has no spaces, control characters and backslashes');
    if (/^[a-z][a-z0-9+.-]*:/i.test(location)) return parseEndpointUrl(location);
    return parseEndpointUrl(new URL(location, from).href);
  } catch (error) {
    throw new FetchError(
      'redirect-refused',
      `${from.href} redirects to ${JSON.stringify(location.slice(0, 200))}, which is not an endpoint URL: https, without user info`,
      { cause: error },
    );
  }
}
