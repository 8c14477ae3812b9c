import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { DeltaDiscoveryRequest, DeltaDiscoveryResponse } from '../grpc/index.ts';
import { refusalOf } from './sds-state-of-the-world.ts';
import { reasonOf, type SdsStream, type SdsStreamParts, settle, type Subscription } from './sds-stream.ts';

/** `DeltaSecrets`: a response holds what changed. A request adds names, or drops them. */
export class DeltaStream implements SdsStream {
  readonly subscriptions = new Map<string, Subscription>();
  nodeId = '';
  readonly #call: ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;
  readonly #parts: SdsStreamParts;
  #nonce = 0;
  /** The content of each response without an answer, oldest first. */
  readonly #unanswered = new Map<string, readonly Subscription[]>();
  #everything = true;
  #blocked = false;

  constructor(
    call: ServerDuplexStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>,
    parts: SdsStreamParts,
  ) {
    this.#call = call;
    this.#parts = parts;
    call.on('data', (request: DeltaDiscoveryRequest) => this.#request(request));
    call.on('drain', () => {
      this.#blocked = false;
      this.push();
    });
  }

  push(): boolean {
    // A proxy that never answers gets no more than this many responses. The newest state follows
    // its next answer.
    if (this.#blocked || this.#unanswered.size >= MAX_UNANSWERED) return false;
    if (this.#everything) for (const name of this.#parts.everyName()) this.#subscribe(name);
    const resources: DeltaDiscoveryResponse['resources'][number][] = [];
    const removed: string[] = [];
    const touched: Subscription[] = [];
    for (const [name, subscription] of this.subscriptions) {
      const encoded = this.#parts.resource(name);
      if (!encoded) {
        if (subscription.sent === undefined) continue;
        delete subscription.sent;
        removed.push(name);
        continue;
      }
      const { resource, version } = encoded;
      if (subscription.sent === version) continue;
      subscription.sent = version;
      touched.push(subscription);
      resources.push({ version, resource, name });
    }
    if (resources.length === 0 && removed.length === 0) return false;
    this.#nonce += 1;
    const nonce = this.#nonce.toString();
    this.#unanswered.set(nonce, touched);
    this.#blocked = !this.#call.write({
      system_version_info: nonce,
      resources,
      type_url: this.#parts.typeUrl,
      nonce,
      removed_resources: removed,
    });
    this.#parts.observe('sent', this);
    return true;
  }

  end(): void {
    this.#call.end();
  }

  #request(request: DeltaDiscoveryRequest): void {
    const names = request.resource_names_subscribe.filter((name) => name !== '*');
    const problem = refusalOf(this.#parts.typeUrl, request.type_url, names.length + this.subscriptions.size);
    if (problem) {
      this.#call.emit('error', problem);
      return;
    }
    if (request.node && this.nodeId === '') this.nodeId = request.node.id.slice(0, 256);
    this.#answer(request);
    if (request.resource_names_subscribe.length > 0) {
      this.#everything = request.resource_names_subscribe.includes('*');
    }
    for (const name of names) {
      // A name that is asked for again is sent again, because a client asks again when it lost the
      // secret.
      this.subscriptions.delete(name);
      this.#subscribe(name, request.initial_resource_versions[name]);
    }
    for (const name of request.resource_names_unsubscribe) {
      if (name === '*') this.#everything = false;
      this.subscriptions.delete(name);
    }
    this.push();
  }

  #subscribe(name: string, held?: string): void {
    if (this.subscriptions.has(name)) return;
    this.subscriptions.set(name, held === undefined ? {} : { sent: held, acknowledged: held });
  }

  #answer({ response_nonce: nonce, error_detail: error }: DeltaDiscoveryRequest): void {
    const touched = this.#unanswered.get(nonce);
    if (!touched) return;
    this.#unanswered.delete(nonce);
    settle(touched, error);
    if (error) this.#parts.observe('refused', this, reasonOf(error));
    else this.#parts.observe('acknowledged', this);
  }
}

const MAX_UNANSWERED = 16;
