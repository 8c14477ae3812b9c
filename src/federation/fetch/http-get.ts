import type { TLSSocket } from 'node:tls';
import { Client } from 'undici';
import { defined } from '../../objects/index.ts';
import { FetchError } from './errors.ts';
import type { FetchLimits } from './fetch-limits.ts';
import type { FetchTimer } from './fetch-timer.ts';
import { HOLDING_HEADER } from './holding-claims.ts';
import { RELATIONSHIP_HEADER, type TheirReport } from './their-side.ts';
import { isRedirect } from './redirects.ts';

/** What a bundle endpoint answered: the document, "still the one you have", or "look there". */
export type HttpAnswer =
  | {
      readonly kind: 'document';
      readonly body: Uint8Array;
      readonly etag?: string;
      /** Whether the endpoint holds requests until there is something new (RFC 7240 §4.3). */
      readonly held: boolean;
      /** What the endpoint reports about its side (`Federate-Relationship`). */
      readonly theirReport: TheirReport;
    }
  | { readonly kind: 'not-modified'; readonly held: boolean; readonly theirReport: TheirReport }
  | {
      readonly kind: 'redirect';
      readonly status: number;
      readonly location: string | readonly string[] | undefined;
    };

/**
 * The reason for closing the client. Without one the client makes an error of its own each time,
 * with a stack.
 */
const DONE = new Error('the answer was read');

/** The endpoint follows the preference `wait` (RFC 7240 §3). */
const WAIT_APPLIED = /(?:^|,)\s*wait\s*(?:[=;,]|$)/i;

/** An entity tag worth remembering: as RFC 9110 §8.8.3 writes it, and short. */
const ETAG = /^(?:W\/)?"[\x21\x23-\x7e]{0,256}"$/;

/**
 * Sends one GET over a connection whose peer is already verified. The connection is closed after
 * that, so that no later poll relies on today's check (FED-42). Only status 200 carries a document.
 * 304 counts only where `etag` was sent (FED-34); the endpoint is asked to wait for a change if it
 * can. The content type is ignored (FED-35). Throws `FetchError` `first-byte-timeout`,
 * `response-broken`, `status-refused`, `content-encoding-refused`, `body-too-large`, or the
 * signal's reason.
 */
export async function httpGet(request: {
  readonly socket: TLSSocket;
  readonly url: URL;
  readonly etag?: string | undefined;
  /**
   * How long the endpoint may wait for another document than that of `etag`; the limits have to
   * allow for it.
   */
  readonly waitSeconds: number;
  /** What we hold, signed (`Federate-Holding`). */
  readonly holding?: string | undefined;
  readonly limits: FetchLimits;
  readonly timer: FetchTimer;
}): Promise<HttpAnswer> {
  const { socket, url, etag, waitSeconds, holding, limits, timer } = request;
  const { signal } = timer;
  if (socket.destroyed)
    throw new FetchError('response-broken', `${url.host} closed the connection before the request`);
  const client = new Client(url.origin, {
    // Called back at once, the client would forget to send: it is still busy with asking for the
    // connection.
    connect: (_options, callback) => queueMicrotask(() => callback(null, socket)),
    allowH2: false,
    maxHeaderSize: limits.maxHeaderBytes,
    // The deadlines here are ours, on the clock we were given.
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  let excess: FetchError | undefined;
  let answered = false;
  const stopCounting = countBytes(socket, limits, (most) => {
    excess = new FetchError(
      'body-too-large',
      `${url.host} sent more than ${most} bytes for a bundle of at most ${limits.maxBodyBytes}`,
    );
    return excess;
  });
  try {
    const late = () =>
      new FetchError('first-byte-timeout', `${url.host} sent no response within ${limits.firstByteMs} ms`);
    const response = await timer.within(limits.firstByteMs, late, () =>
      client.request({
        method: 'GET',
        path: `${url.pathname}${url.search}`,
        headers: {
          accept: 'application/json',
          'accept-encoding': 'identity',
          'user-agent': 'federate',
          // Without a wait it asks whether the endpoint would.
          prefer: `wait=${waitSeconds}`,
          ...defined({ 'if-none-match': etag, [HOLDING_HEADER]: holding }),
        },
        reset: true,
        signal,
      }),
    );
    answered = true;
    const { statusCode: status, headers, body } = response;
    body.on('error', () => {}); // `read` reports it; without a read it does not matter
    if (isRedirect(status)) return { kind: 'redirect', status, location: headers['location'] };
    const held = WAIT_APPLIED.test([headers['preference-applied'] ?? []].flat().join(','));
    const theirReport = headers[RELATIONSHIP_HEADER] === 'held' ? 'held' : 'nothing';
    if (status === 304 && etag !== undefined) return { kind: 'not-modified', held, theirReport };
    if (status !== 200)
      throw new FetchError(
        'status-refused',
        `${url.host} answered with status ${status}, and only 200 carries a bundle`,
      );
    refuseEncoding(url, headers['content-encoding']);
    const bytes = await read(body, headers['content-length'], url, limits);
    const tag = headers['etag'];
    return {
      kind: 'document',
      body: bytes,
      held,
      theirReport,
      ...(typeof tag === 'string' && ETAG.test(tag) ? { etag: tag } : {}),
    };
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    if (excess) throw excess;
    if (error instanceof FetchError) throw error;
    const message = answered
      ? `the response of ${url.host} could not be read to its end`
      : `${url.host} let the connection be made and gave no HTTP response on it`;
    throw new FetchError('response-broken', message, { cause: error });
  } finally {
    stopCounting();
    socket.destroy(DONE);
    await client.destroy(DONE);
  }
}

/**
 * Ends a connection that brings more than twice what head and body may have together; the second
 * half is for the framing. Because interim responses, chunk extensions and trailers have no limit
 * of their own, and none of them shows in the body (TDB-44).
 */
function countBytes(socket: TLSSocket, limits: FetchLimits, tooMany: (most: number) => Error): () => void {
  const most = 2 * (limits.maxHeaderBytes + limits.maxBodyBytes);
  const before = socket.bytesRead;
  const look = () => {
    if (socket.bytesRead - before > most) socket.destroy(tooMany(most));
  };
  // Before the parser's own listener: what is too much is not even parsed.
  socket.prependListener('readable', look);
  return () => void socket.off('readable', look);
}

/** We asked for identity: a body that would have to be inflated is refused unread (TDB-44). */
function refuseEncoding(url: URL, encoding: string | string[] | undefined): void {
  const encodings = [encoding ?? []].flat().join(',').toLowerCase();
  if (encodings === '' || encodings.trim() === 'identity') return;
  throw new FetchError(
    'content-encoding-refused',
    `${url.host} sent content encoding ${JSON.stringify(encodings.slice(0, 80))}, and only identity was asked for`,
  );
}

async function read(
  body: AsyncIterable<Uint8Array>,
  announced: string | string[] | undefined,
  url: URL,
  limits: FetchLimits,
): Promise<Uint8Array> {
  const tooLarge = () =>
    new FetchError(
      'body-too-large',
      `${url.host} sent more than the ${limits.maxBodyBytes} bytes a bundle may have`,
    );
  if (typeof announced === 'string' && Number(announced) > limits.maxBodyBytes) throw tooLarge();
  const chunks: Uint8Array[] = [];
  let total = 0;
  for await (const chunk of body) {
    total += chunk.byteLength;
    if (total > limits.maxBodyBytes) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, total);
}
