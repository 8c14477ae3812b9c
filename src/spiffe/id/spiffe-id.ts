import { CodedError } from '../../errors/index.ts';
import { isTrustDomain, parseTrustDomain, type TrustDomain, TrustDomainError } from './trust-domain.ts';

declare const spiffeIdBrand: unique symbol;

/**
 * A SPIFFE ID, such as `spiffe://istio.example/ns/weather/sa/backend`; made only by parsing
 * (SPIFFE-ID §2).
 */
export type SpiffeId = string & { readonly [spiffeIdBrand]: true };

export type SpiffeIdErrorCode =
  | 'id-scheme'
  | 'id-trust-domain'
  | 'id-too-long'
  /**
   * `spiffeIdOf` received a path without its slash, which would have become part of the trust
   * domain.
   */
  | 'id-path-leading-slash'
  | 'id-path-character'
  | 'id-path-empty-segment'
  | 'id-path-dot-segment'
  | 'id-path-trailing-slash';

/** A text is not a SPIFFE ID. */
export class SpiffeIdError extends CodedError<SpiffeIdErrorCode> {}

/**
 * SPIFFE-ID §2.3: IDs up to this many bytes are supported everywhere; longer ones are refused
 * (ID-11).
 */
export const MAX_SPIFFE_ID_BYTES = 2048;

const SCHEME = 'spiffe://';
const SEGMENT = /^[A-Za-z0-9._-]+$/;

/**
 * A SPIFFE ID from its text, read unchanged: nothing is lower-cased, decoded or resolved (ID-16,
 * ID-17). Throws `SpiffeIdError` with the code of the first broken rule.
 */
export function parseSpiffeId(text: string): SpiffeId {
  const refusal = refuse(text);
  if (refusal) throw refusal;
  if (!isSpiffeId(text)) throw new TypeError('unreachable: the checks above are the predicate');
  return text;
}

/** Whether `text` is a SPIFFE ID as `parseSpiffeId` accepts it. */
export function isSpiffeId(text: string): text is SpiffeId {
  return refuse(text) === undefined;
}

/** The trust domain an ID belongs to. */
export function trustDomainOf(id: SpiffeId): TrustDomain {
  return parseTrustDomain(split(id).name);
}

/**
 * The path of an ID with its leading slash, or the empty string where the ID names the trust domain
 * itself.
 */
export function pathOf(id: SpiffeId): string {
  return split(id).path;
}

/**
 * The ID of a trust domain itself (`spiffe://td`), or of `path` in it. Throws `SpiffeIdError` as
 * `parseSpiffeId` does.
 */
export function spiffeIdOf(trustDomain: TrustDomain, path = ''): SpiffeId {
  if (path !== '' && !path.startsWith('/')) {
    throw new SpiffeIdError(
      'id-path-leading-slash',
      `a path begins with a slash, ${JSON.stringify(path.slice(0, 120))} does not`,
    );
  }
  return parseSpiffeId(`${SCHEME}${trustDomain}${path}`);
}

function split(text: string): { name: string; path: string } {
  const rest = text.slice(SCHEME.length);
  const slash = rest.indexOf('/');
  return slash === -1 ? { name: rest, path: '' } : { name: rest.slice(0, slash), path: rest.slice(slash) };
}

function refuse(text: string): SpiffeIdError | undefined {
  const quoted = JSON.stringify(text.length > 120 ? `${text.slice(0, 120)}…` : text);
  if (Buffer.byteLength(text) > MAX_SPIFFE_ID_BYTES) {
    return new SpiffeIdError(
      'id-too-long',
      `a SPIFFE ID is at most ${MAX_SPIFFE_ID_BYTES} bytes long, ${quoted} is longer`,
    );
  }
  if (!text.startsWith(SCHEME))
    return new SpiffeIdError('id-scheme', `a SPIFFE ID begins with ${SCHEME}, ${quoted} does not`);
  const { name, path } = split(text);
  if (!isTrustDomain(name)) {
    let cause: unknown;
    try {
      parseTrustDomain(name);
    } catch (error) {
      cause = error;
    }
    const why = cause instanceof TrustDomainError ? cause.message : 'the name is not a trust domain';
    return new SpiffeIdError(
      'id-trust-domain',
      `the SPIFFE ID ${quoted} names no valid trust domain: ${why}`,
      { cause },
    );
  }
  if (path === '') return undefined;
  if (path.endsWith('/'))
    return new SpiffeIdError('id-path-trailing-slash', `a SPIFFE ID does not end in a slash, ${quoted} does`);
  for (const segment of path.slice(1).split('/')) {
    if (segment === '')
      return new SpiffeIdError(
        'id-path-empty-segment',
        `a path segment is not empty, ${quoted} has an empty one`,
      );
    if (segment === '.' || segment === '..') {
      return new SpiffeIdError('id-path-dot-segment', `a path segment is not . or .., ${quoted} has one`);
    }
    if (!SEGMENT.test(segment)) {
      return new SpiffeIdError(
        'id-path-character',
        `a path segment holds only letters, digits, dot, hyphen and underscore, ${quoted} has another character`,
      );
    }
  }
  return undefined;
}
