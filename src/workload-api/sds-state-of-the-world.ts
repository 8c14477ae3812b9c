import { status } from '@grpc/grpc-js';
import type { DiscoveryRequest, DiscoveryResponse } from '../grpc/index.ts';
import { versionOf } from './encoded-secret.ts';
import {
  MAX_NAMES_PER_STREAM,
  reasonOf,
  type SdsStream,
  type SdsStreamParts,
  settle,
  type Subscription,
} from './sds-stream.ts';

/** What a stream needs of a call. Of a call with several types, each type has such a part. */
export interface DiscoveryCall {
  on(event: 'data', listener: (request: DiscoveryRequest) => void): unknown;
  on(event: 'drain', listener: () => void): unknown;
  /** False where the caller does not read: then `drain` comes later. */
  write(response: DiscoveryResponse): boolean;
  emit(event: 'error', error: Error): unknown;
  end(): void;
}

/**
 * `StreamSecrets` and its like for other types: every response holds all resources of the stream, and
 * every request all wanted names.
 */
export class StateOfTheWorldStream implements SdsStream {
  readonly subscriptions = new Map<string, Subscription>();
  nodeId = '';
  readonly #call: DiscoveryCall;
  readonly #parts: SdsStreamParts;
  #nonce = 0;
  /** A proxy that never named a secret gets them all, as from SPIRE's agent. */
  #everything = true;
  #blocked = false;

  constructor(call: DiscoveryCall, parts: SdsStreamParts) {
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
    const lost = this.#everything && this.#want(this.#parts.everyName());
    const { message, versions } = responseOf(
      [...this.subscriptions.keys()],
      this.#parts,
      (this.#nonce + 1).toString(),
    );
    const changed = [...versions].some(([name, version]) => this.subscriptions.get(name)?.sent !== version);
    // A client that waits for a complete list needs an empty one too.
    const isDue = this.#parts.isComplete && (lost || this.#nonce === 0);
    if (!changed && !isDue) return false;
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
    const problem = refusalOf(this.#parts.typeUrl, request.type_url, request.resource_names.length);
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

  /** Subscribes to these names alone. Returns whether another one had been sent before. */
  #want(names: readonly string[]): boolean {
    const wanted = new Set(names);
    const others = [...this.subscriptions].filter(([name]) => !wanted.has(name));
    for (const [name] of others) this.subscriptions.delete(name);
    for (const name of wanted) if (!this.subscriptions.has(name)) this.subscriptions.set(name, {});
    return others.some(([, { sent }]) => sent !== undefined);
  }
}

/** One response with the existing ones of the named resources, and their versions. */
export function responseOf(
  names: readonly string[],
  { typeUrl, resource: find }: Pick<SdsStreamParts, 'typeUrl' | 'resource'>,
  nonce: string,
): { readonly message: DiscoveryResponse; readonly versions: ReadonlyMap<string, string> } {
  const versions = new Map<string, string>();
  const resources = names.flatMap((name) => {
    const found = find(name);
    if (!found) return [];
    versions.set(name, found.version);
    return [found.resource];
  });
  return {
    message: { version_info: versionOf(resources), resources, type_url: typeUrl, nonce },
    versions,
  };
}

/** Why a request cannot be served, as the error that ends the call. */
export function refusalOf(served: string, typeUrl: string, names: number): Error | undefined {
  const why =
    typeUrl !== '' && typeUrl !== served
      ? `only ${served} is served`
      : names > MAX_NAMES_PER_STREAM
        ? `at most ${MAX_NAMES_PER_STREAM} names can be asked for`
        : undefined;
  return why === undefined ? undefined : Object.assign(new Error(why), { code: status.INVALID_ARGUMENT });
}
