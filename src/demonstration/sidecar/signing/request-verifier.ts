import type { OutgoingHttpHeaders } from 'node:http';
import { createVerifier, httpbis } from 'http-message-signatures';
import { type BareItem, type InnerList, serializeItem, serializeList } from 'structured-headers';
import type { Clock } from '../../../platform/index.ts';
import type { SpiffeId } from '../../../spiffe/index.ts';
import { SidecarError, type SidecarErrorCode } from '../errors.ts';
import type { Exchange } from '../exchange/exchange.ts';
import { framingOf } from '../exchange/forwarded-headers.ts';
import { BodyMemory } from './body-memory.ts';
import { checkContentDigest } from './content-digest.ts';
import { ownSignatures, type OwnSignature, withoutOwnSignatures } from './own-signature.ts';
import { ReplayMemory } from './replay-memory.ts';
import { checkSignable, COMPONENTS, componentsOf, type SignedRequest } from './signed-request.ts';
import type { SigningKey } from './signing-key.ts';

/** A key, and who may sign with it. */
export interface AcceptedKey extends SigningKey {
  /** Left out: every caller that is let in. */
  readonly callers?: readonly SpiffeId[];
}

export interface VerifyingSettings {
  /** How far the clock of a caller may be ahead of ours, or behind. */
  readonly maxSkewMs: number;
  /** The longest time from `created` to `expires`. */
  readonly maxLifetimeMs: number;
  /** The largest content; it is read as a whole before the workload gets the request. */
  readonly maxBodyBytes: number;
  /** Nonces that are remembered for each key. */
  readonly replayMemory: number;
}

const MOST_COMPONENTS = 32;
const NONCE = /^[\x21-\x7e]{16,128}$/;

/** What a verified request has in place of its own. */
export interface VerifiedContent {
  readonly content: Buffer;
  /** Undefined removes a header. */
  readonly headers: OutgoingHttpHeaders;
}

interface Parameters {
  readonly createdMs: number;
  readonly expiresMs: number;
  readonly nonce: string;
  readonly keyId: string;
  readonly algorithm: string | undefined;
}

/** Verifies the signature of each request (RFC 9421), and that none came before. */
export class RequestVerifier {
  readonly #keys: ReadonlyMap<string, AcceptedKey & { readonly verify: ReturnType<typeof createVerifier> }>;
  readonly #settings: VerifyingSettings;
  readonly #clock: Clock;
  readonly #memory: ReplayMemory;
  readonly #startedSecond: number;
  readonly #bodies = new BodyMemory();

  constructor(keys: readonly AcceptedKey[], settings: VerifyingSettings, clock: Clock) {
    this.#keys = new Map(
      keys.map((each) => [each.id, { ...each, verify: createVerifier(each.key, each.algorithm) }]),
    );
    this.#settings = settings;
    this.#clock = clock;
    this.#memory = new ReplayMemory(clock, settings.replayMemory);
    this.#startedSecond = Math.floor(clock.now().getTime() / 1000);
  }

  /**
   * Verifies the request of an exchange and reads its content, which its digest has to match. The
   * signature is verified first, so that nobody else can make us hold content. Rejects as `verify`,
   * `checkContentDigest` and `BodyMemory.read` do.
   */
  async admit(exchange: Exchange, caller: SpiffeId, signal: AbortSignal): Promise<VerifiedContent> {
    const { headers, method = '', url = '' } = exchange.incoming;
    await this.verify({ method, target: url, headers }, caller);
    const content = await this.#bodies.read(exchange, this.#settings.maxBodyBytes, signal);
    checkContentDigest(headers['content-digest'], content);
    return { content, headers: { ...withoutOwnSignatures(headers), ...framingOf(content, headers) } };
  }

  /**
   * Resolves for a request of this caller with one good signature of ours, whose content is still to
   * be compared with its `content-digest`. Rejects with `SidecarError` `signature-…`, and
   * `replay-memory-full`.
   */
  async verify(request: SignedRequest, caller: SpiffeId): Promise<void> {
    const own = onlyOne(ownSignatures(request.headers));
    const parameters = parametersOf(own.input);
    checkComponents(own.input);
    const key = this.#keyFor(parameters, caller);
    this.#checkTimes(parameters);
    checkSignable(request);
    if (!(await isGenuine(own, request, key.verify)))
      throw refusal('signature-invalid', `the signature is not one of this request by ${quoted(key.id)}`);
    this.#remember(parameters);
  }

  #keyFor({ keyId, algorithm }: Parameters, caller: SpiffeId) {
    const key = this.#keys.get(keyId);
    if (!key) throw refusal('signature-key-unknown', `there is no key ${quoted(keyId)}`);
    if (algorithm !== undefined && algorithm !== key.algorithm)
      throw refusal(
        'signature-algorithm-refused',
        `the key ${quoted(keyId)} is for ${key.algorithm}, not ${quoted(algorithm)}`,
      );
    if (key.callers && !key.callers.includes(caller))
      throw refusal('signature-key-not-of-caller', `${caller} may not sign with the key ${quoted(keyId)}`);
    return key;
  }

  #checkTimes({ createdMs, expiresMs }: Parameters): void {
    const { maxSkewMs, maxLifetimeMs } = this.#settings;
    const nowMs = this.#clock.now().getTime();
    if (expiresMs <= createdMs || expiresMs - createdMs > maxLifetimeMs)
      throw refusal(
        'signature-lifetime-refused',
        `a signature is valid for at most ${maxLifetimeMs / 1000} seconds, and more than none`,
      );
    if (createdMs > nowMs + maxSkewMs)
      throw refusal('signature-not-yet-valid', 'the signature was made in the future, by our clock');
    if (expiresMs + maxSkewMs < nowMs) throw refusal('signature-expired', 'the signature has expired');
    // What was received before the start is forgotten, so it could come again.
    if (createdMs < this.#startedSecond * 1000)
      throw refusal('signature-expired', 'the signature was made before this sidecar started');
  }

  #remember({ keyId, nonce, expiresMs }: Parameters): void {
    switch (this.#memory.remember(keyId, nonce, expiresMs + this.#settings.maxSkewMs)) {
      case 'new':
        return;
      case 'seen':
        throw refusal('signature-replayed', 'a request with this signature came before');
      case 'full':
        throw refusal(
          'replay-memory-full',
          `${this.#settings.replayMemory} signatures of the key ${quoted(keyId)} have not expired yet, which is the limit`,
        );
    }
  }
}

function onlyOne(own: readonly OwnSignature[]): OwnSignature {
  const [first, ...others] = own;
  if (!first) throw refusal('signature-missing', 'the request has no signature of a sidecar');
  if (others.length > 0)
    throw refusal('signature-malformed', `the request has ${own.length} signatures of a sidecar`);
  return first;
}

function parametersOf([, parameters]: InnerList): Parameters {
  const text = (name: string) => typed(parameters.get(name), name, 'a text', isText);
  const seconds = (name: string) => typed(parameters.get(name), name, 'whole seconds', isSeconds);
  const nonce = text('nonce');
  if (!NONCE.test(nonce))
    throw refusal('signature-malformed', 'the nonce has 16 to 128 visible characters of ASCII');
  return {
    createdMs: seconds('created') * 1000,
    expiresMs: seconds('expires') * 1000,
    nonce,
    keyId: text('keyid'),
    algorithm: parameters.has('alg') ? text('alg') : undefined,
  };
}

const isText = (value: BareItem): value is string => typeof value === 'string';
const isSeconds = (value: BareItem): value is number => Number.isInteger(value);

function typed<Value extends BareItem>(
  value: BareItem | undefined,
  name: string,
  what: string,
  is: (value: BareItem) => value is Value,
): Value {
  if (value === undefined) throw refusal('signature-incomplete', `the signature does not state "${name}"`);
  if (!is(value)) throw refusal('signature-malformed', `"${name}" of the signature is not ${what}`);
  return value;
}

/** Each component is named once and without parameters, because those cover less than the name says. */
function checkComponents([items]: InnerList): void {
  const names = items.map(([name, parameters]) => {
    if (typeof name !== 'string' || parameters.size > 0)
      throw refusal('signature-malformed', 'a component of the signature has a parameter, or is not a text');
    return name;
  });
  if (new Set(names).size !== names.length || names.length > MOST_COMPONENTS)
    throw refusal(
      'signature-malformed',
      `the signature covers a component twice, or more than ${MOST_COMPONENTS}`,
    );
  const missing = COMPONENTS.filter((name) => !names.includes(name));
  if (missing.length > 0)
    throw refusal('signature-incomplete', `the signature does not cover ${missing.join(', ')}`);
}

async function isGenuine(
  { input, signature }: OwnSignature,
  request: SignedRequest,
  verify: ReturnType<typeof createVerifier>,
): Promise<boolean> {
  const base = httpbis.createSignatureBase(
    { fields: input[0].map((item) => serializeItem(item)), componentParser: componentsOf(request) },
    { method: request.method, url: '/', headers: {} },
  );
  base.push(['"@signature-params"', [serializeList([input])]]);
  try {
    return (await verify(Buffer.from(httpbis.formatSignatureBase(base)), signature)) === true;
  } catch {
    // Not of the form that the algorithm has.
    return false;
  }
}

function refusal(code: SidecarErrorCode, message: string): SidecarError {
  return new SidecarError(code, message);
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
