import type { OutgoingHttpHeaders } from 'node:http';
import { createSigner, httpbis, type SigningKey as LibraryKey } from 'http-message-signatures';
import type { Clock, Random } from '../../../platform/index.ts';
import { SidecarError } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { framingOf } from '../exchange/forwarded-headers.ts';
import { BodyMemory } from './body-memory.ts';
import { checkContentDigest, contentDigest } from './content-digest.ts';
import { withoutOwnSignatures } from './own-signature.ts';
import type { SigningKey } from './signing-key.ts';
import { checkSignable, COMPONENTS, componentsOf, LABEL, TAG } from './signed-request.ts';

const NONCE_BYTES = 18;

export interface SigningSettings {
  /** From `created` to `expires`. */
  readonly lifetimeMs: number;
  /** The largest content; it is read as a whole before the request is sent. */
  readonly maxBodyBytes: number;
}

/** Signs requests (RFC 9421), each with a nonce of its own. */
export class RequestSigner {
  readonly #key: LibraryKey;
  readonly #settings: SigningSettings;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #bodies = new BodyMemory();

  constructor(
    { key, algorithm, id }: SigningKey,
    settings: SigningSettings,
    parts: { readonly clock: Clock; readonly random: Random },
  ) {
    this.#key = createSigner(key, algorithm, id);
    this.#settings = settings;
    this.#clock = parts.clock;
    this.#random = parts.random;
  }

  /** The content of a request, which is read as a whole. Rejects as `BodyMemory.read` does. */
  async read(exchange: Exchange, signal: AbortSignal): Promise<Buffer> {
    return await this.#bodies.read(exchange, this.#settings.maxBodyBytes, signal);
  }

  /**
   * The headers that a signed request has instead of its own: `content-digest`, `signature`,
   * `signature-input` and its framing. Signatures of the workload stay. Rejects with `SidecarError`
   * `request-malformed` for a request that cannot be signed, or whose own `content-digest` is wrong.
   */
  async sign({ incoming }: Exchange, content: Buffer): Promise<OutgoingHttpHeaders> {
    const request = { method: incoming.method ?? '', target: incoming.url ?? '', headers: incoming.headers };
    checkSignable(request);
    const others = readAsWritten(() => withoutOwnSignatures(request.headers));
    const given = request.headers['content-digest'];
    if (given !== undefined) readAsWritten(() => checkContentDigest(given, content));
    const digest = given ?? contentDigest(content);
    const { signature, 'signature-input': input } = others;
    const created = this.#clock.now();
    const signed = await httpbis.signMessage(
      {
        key: this.#key,
        name: LABEL,
        fields: COMPONENTS.map((name) => `"${name}"`),
        params: ['created', 'expires', 'nonce', 'keyid', 'alg', 'tag'],
        paramValues: {
          created,
          expires: new Date(created.getTime() + this.#settings.lifetimeMs),
          nonce: Buffer.from(this.#random.bytes(NONCE_BYTES)).toString('base64url'),
          tag: TAG,
        },
        componentParser: componentsOf({
          ...request,
          headers: { ...request.headers, 'content-digest': digest },
        }),
      },
      {
        method: request.method,
        url: '/',
        headers: {
          ...(signature === undefined ? {} : { signature }),
          ...(input === undefined ? {} : { 'signature-input': input }),
        },
      },
    );
    const made = Object.fromEntries(
      Object.entries(signed.headers).map(([name, value]) => [name.toLowerCase(), value]),
    );
    return { ...others, ...made, 'content-digest': digest, ...framingOf(content, request.headers) };
  }
}

/** Faults of the workload's own headers are faults of its request. */
function readAsWritten<Result>(read: () => Result): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SidecarError)) throw error;
    throw new SidecarError('request-malformed', `the request cannot be signed: ${error.message}`, {
      cause: error,
    });
  }
}
