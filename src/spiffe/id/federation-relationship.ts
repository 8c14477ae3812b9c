import { CodedError } from '../../errors/index.ts';
import type { SpiffeId } from './spiffe-id.ts';

/**
 * How a bundle endpoint proves its identity (SPIFFE Federation §5.2); never inferred (FED-06).
 * `signed_bundle` is our own: the carrier of the bundle proves nothing, because `signerId`, of the
 * same trust domain, signed it.
 */
export type EndpointProfile =
  | { readonly kind: 'https_web' }
  | { readonly kind: 'https_spiffe'; readonly endpointId: SpiffeId }
  | { readonly kind: 'signed_bundle'; readonly signerId: SpiffeId };

export type RelationshipErrorCode = 'url-invalid' | 'url-scheme' | 'url-userinfo';

/** A parameter of a federation relationship is refused. */
export class RelationshipError extends CodedError<RelationshipErrorCode> {}

const MAX_URL_CHARACTERS = 2048;

/**
 * The URL of a bundle endpoint: `https`, without userinfo; port, path, query and IP hosts are free
 * (FED-08). Throws `RelationshipError`: `url-invalid`, `url-scheme`, `url-userinfo`.
 */
export function parseEndpointUrl(text: string): URL {
  const url = text.length <= MAX_URL_CHARACTERS ? URL.parse(text) : null;
  // The URL parser drops spaces and control characters and reads a backslash as a slash. The
  // checked URL must be the written one.
  if (!url || /[\s\\\p{Cc}]/u.test(text)) {
    throw new RelationshipError(
      'url-invalid',
      `an endpoint URL is an absolute URL of at most ${MAX_URL_CHARACTERS} characters, without spaces, control characters and backslashes`,
    );
  }
  if (url.protocol !== 'https:') {
    throw new RelationshipError(
      'url-scheme',
      `an endpoint URL begins with https://, not with ${url.protocol}`,
    );
  }
  if (!/^https:\/\/[^/?#]/i.test(text)) {
    throw new RelationshipError('url-invalid', 'an endpoint URL has a host after https://');
  }
  const authority = /^https:\/\/([^/?#]*)/i.exec(text)?.[1] ?? '';
  if (authority.includes('@')) {
    throw new RelationshipError('url-userinfo', 'an endpoint URL names no user and no password');
  }
  if (url.hash !== '' || text.includes('#')) {
    throw new RelationshipError('url-invalid', 'an endpoint URL has no fragment');
  }
  return url;
}
