import type { IncomingHttpHeaders } from 'node:http';
import type { ComponentParser } from 'http-message-signatures';
import { SidecarError } from '../errors.ts';

/** The parts of a request that a signature covers. */
export interface SignedRequest {
  readonly method: string;
  /** The request target as it was received. */
  readonly target: string;
  readonly headers: IncomingHttpHeaders;
}

/** Tells our signatures from others in the same request (RFC 9421 §2.3). */
export const TAG = 'federate-sidecar';
/** The name of our signature in both headers. */
export const LABEL = 'federate';
/** What every signature covers. The content is covered by its digest (RFC 9530). */
export const COMPONENTS = ['@method', '@authority', '@path', '@query', 'content-digest'] as const;

/**
 * Gives the value of each covered component from the request as it was received. Because the
 * library would take the path from a URL, in which `/a/../b` and `/b` are one.
 */
export function componentsOf({ method, target, headers }: SignedRequest): ComponentParser {
  const question = target.indexOf('?');
  const derived = new Map([
    ['@method', method],
    ['@authority', authorityOf(headers.host)],
    ['@path', question === -1 ? target : target.slice(0, question)],
    ['@query', question === -1 ? '?' : target.slice(question)],
  ]);
  return (name) => {
    const known = derived.get(name);
    if (known !== undefined) return [known];
    const value = Object.hasOwn(headers, name) ? headers[name] : undefined;
    if (value === undefined)
      throw new SidecarError(
        'signature-malformed',
        `the signature covers ${JSON.stringify(name)}, which the request does not have`,
      );
    const lines = Array.isArray(value) ? value : [value];
    return [lines.map((line) => line.trim()).join(', ')];
  };
}

/** Refuses a request whose parts cannot be signed. Throws `SidecarError` `request-malformed`. */
export function checkSignable({ target, headers }: SignedRequest): void {
  if (!target.startsWith('/'))
    throw new SidecarError(
      'request-malformed',
      `only a request for a path can be signed, not ${JSON.stringify(target.slice(0, 100))}`,
    );
  if (headers.host === undefined)
    throw new SidecarError('request-malformed', 'a request without "host" cannot be signed');
}

/** Lower-case, without the default port of HTTPS, which sidecars speak (RFC 9421 §2.2.3). */
function authorityOf(host = ''): string {
  return host.toLowerCase().replace(/:443$/, '');
}
