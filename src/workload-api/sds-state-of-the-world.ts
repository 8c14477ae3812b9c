import { type ServerDuplexStream, status } from '@grpc/grpc-js';
import { type DiscoveryRequest, type DiscoveryResponse, SECRET_TYPE_URL } from '../grpc/index.ts';
import { encodedSecret, versionOf } from './encoded-secret.ts';
import {
  MAX_NAMES_PER_STREAM,
  reasonOf,
  type SdsStream,
  type SdsStreamParts,
  settle,
  type Subscription,
} from './sds-stream.ts';

/**
 * `StreamSecrets`: every response holds all secrets of the stream, and every request all wanted
 * names.
 */
export class StateOfTheWorldStream implements SdsStream {
  readonly subscriptions = new Map<string, Subscription>();
  nodeId = '';
  readonly #call: ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>;
  readonly #parts: SdsStreamParts;
  #nonce = 0;
  /** A proxy that never named a secret gets them all, as from SPIRE's agent. */
  #everything = true;
  #blocked = false;

  constructor(call: ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>, parts: SdsStreamParts) {
    this.#call = call;
    this.#parts = parts;
    call.on('data', (request: DiscoveryRequest) => this.#request(request));
    call.on('drain', () => {
      this.#blocked = false;
      this.push();
    });
  }

  push(): boolean {
    // A proxy that does not read costs one response. It gets the newest state when it reads again.
    if (this.#blocked) return false;
    if (this.#everything) this.#want(this.#parts.everyName());
    const { message, versions } = responseOf(
      [...this.subscriptions.keys()],
      this.#parts,
      (this.#nonce + 1).toString(),
    );
    const changed = [...versions].some(([name, version]) => this.subscriptions.get(name)?.sent !== version);
    if (!changed) return false;
    this.#nonce += 1;
    for (const [name, version] of versions) {
      const subscription = this.subscriptions.get(name);
      if (subscription) subscription.sent = version;
    }
    this.#blocked = !this.#call.write(message);
    this.#parts.observe('sent', this);
    return true;
  }

  end(): void {
    this.#call.end();
  }

  #request(request: DiscoveryRequest): void {
    const problem = refusalOf(request.type_url, request.resource_names.length);
    if (problem) {
      this.#call.emit('error', problem);
      return;
    }
    if (request.node && this.nodeId === '') this.nodeId = request.node.id.slice(0, 256);
    // An answer to an older response says nothing about the newest one.
    if (request.response_nonce !== '' && request.response_nonce === this.#nonce.toString()) {
      const { error_detail: error } = request;
      settle(this.subscriptions.values(), error);
      if (error) this.#parts.observe('refused', this, reasonOf(error));
      else this.#parts.observe('acknowledged', this);
    }
    if (request.resource_names.length > 0) this.#everything = false;
    if (!this.#everything) this.#want(request.resource_names);
    this.push();
  }

  #want(names: readonly string[]): void {
    const wanted = new Set(names);
    for (const name of this.subscriptions.keys()) if (!wanted.has(name)) this.subscriptions.delete(name);
    for (const name of wanted) if (!this.subscriptions.has(name)) this.subscriptions.set(name, {});
  }
}

/** One response with the existing ones of the named secrets, and their versions. */
export function responseOf(
  names: readonly string[],
  { secrets }: Pick<SdsStreamParts, 'secrets'>,
  nonce: string,
): { readonly message: DiscoveryResponse; readonly versions: ReadonlyMap<string, string> } {
  const versions = new Map<string, string>();
  const resources = names.flatMap((name) => {
    const secret = secrets(name);
    if (!secret) return [];
    const { resource, version } = encodedSecret(secret);
    versions.set(name, version);
    return [resource];
  });
  return {
    message: { version_info: versionOf(resources), resources, type_url: SECRET_TYPE_URL, nonce },
    versions,
  };
}

/** Why a request cannot be served, as the error that ends the call. */
export function refusalOf(typeUrl: string, names: number): Error | undefined {
  const why =
    typeUrl !== '' && typeUrl !== SECRET_TYPE_URL
      ? `only ${SECRET_TYPE_URL} is served`
      : names > MAX_NAMES_PER_STREAM
        ? `at most ${MAX_NAMES_PER_STREAM} secrets can be asked for`
        : undefined;
  return why === undefined ? undefined : Object.assign(new Error(why), { code: status.INVALID_ARGUMENT });
}
