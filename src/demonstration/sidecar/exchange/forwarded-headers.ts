import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';

/** Headers for one hop only; a proxy does not forward them (RFC 9110 §7.6.1). */
const HOP_BY_HOP = new Set([
  'connection',
  // Answered by our own server already.
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** Only the sidecar of the called workload may state the caller, never the caller itself. */
const IDENTITY_HEADER = 'x-forwarded-client-cert';

/**
 * Returns the headers of a message for forwarding, without hop-by-hop headers and without a claimed
 * identity. A claim also goes where its name is spelt in a way that some servers read as equal. The
 * length of the body stays, whatever `connection` names.
 */
export function forwardedHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const named = (headers.connection ?? '')
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  const passes = (name: string) =>
    name === 'content-length' ||
    (!HOP_BY_HOP.has(name) && !named.includes(name) && name.replaceAll('_', '-') !== IDENTITY_HEADER);
  return Object.fromEntries(Object.entries(headers).filter(([name]) => passes(name)));
}

/**
 * As `forwardedHeaders`, with new framing for a body of unknown length, because Node by default
 * sends the body of a GET without framing.
 */
export function requestHeaders(headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const chunked = headers['transfer-encoding'] === undefined ? {} : { 'transfer-encoding': 'chunked' };
  return { ...forwardedHeaders(headers), ...chunked };
}

/** The framing of a content that was read as a whole, in place of the one that it came with. */
export function framingOf(content: Buffer, headers: IncomingHttpHeaders): OutgoingHttpHeaders {
  const hadContent = headers['transfer-encoding'] !== undefined || headers['content-length'] !== undefined;
  return {
    'transfer-encoding': undefined,
    'content-length': hadContent ? String(content.length) : undefined,
  };
}
