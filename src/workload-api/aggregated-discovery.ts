import { EventEmitter } from 'node:events';
import type { Server, ServerDuplexStream } from '@grpc/grpc-js';
import {
  aggregatedDiscoveryService,
  type AnyMessage,
  type DiscoveryRequest,
  type DiscoveryResponse,
} from '../grpc/index.ts';
import type { Log } from '../platform/index.ts';
import { versionOf } from './encoded-secret.ts';
import type { GrpcService } from './grpc-socket.ts';
import { type DiscoveryCall, StateOfTheWorldStream } from './sds-state-of-the-world.ts';
import { refuse, TOO_MANY } from './state-streams.ts';

type Call = ServerDuplexStream<DiscoveryRequest, DiscoveryResponse>;

/** One type of resources that the stream gives. */
export interface AggregatedType {
  readonly typeUrl: string;
  /** Whether a response holds every resource that exists, so that a missing one is gone. */
  readonly isComplete: boolean;
  readonly resource: (name: string) => AnyMessage | undefined;
  /** The names for a proxy that names none. */
  readonly everyName: () => readonly string[];
}

/**
 * Envoy's aggregated discovery (ADS, state of the world): several types on one stream, in the order
 * in which they are listed, so that a route never comes before its cluster. A type that is not
 * served gets no answer, as Envoy expects.
 */
export class AggregatedDiscovery implements GrpcService {
  readonly #types: readonly AggregatedType[];
  readonly #maxStreams: number;
  readonly #log: Log;
  readonly #calls = new Map<Call, ReadonlyMap<string, StateOfTheWorldStream>>();

  constructor(options: {
    readonly types: readonly AggregatedType[];
    readonly maxStreams: number;
    readonly log: Log;
  }) {
    this.#types = options.types;
    this.#maxStreams = options.maxStreams;
    this.#log = options.log;
  }

  addTo(server: Server): void {
    server.addService(aggregatedDiscoveryService, {
      StreamAggregatedResources: (call: Call) => this.#open(call),
    });
  }

  /** Sends what changed to every proxy that holds another version. */
  pushChanged(): void {
    for (const streams of this.#calls.values()) for (const stream of streams.values()) stream.push();
  }

  #open(call: Call): void {
    if (this.#calls.size >= this.#maxStreams) {
      refuse(call, TOO_MANY);
      return;
    }
    const parts = new Map(this.#types.map((type) => [type.typeUrl, new TypeOfCall(call)]));
    // A stream of a type that nobody asked for must not send anything.
    const streams = new Map<string, StateOfTheWorldStream>();
    this.#calls.set(call, streams);
    call.on('data', (request: DiscoveryRequest) => {
      const type = this.#types.find(({ typeUrl }) => typeUrl === request.type_url);
      const part = parts.get(request.type_url);
      if (!type || !part) return;
      if (!streams.has(type.typeUrl)) streams.set(type.typeUrl, this.#streamOf(type, part));
      part.emit('data', request);
    });
    call.on('drain', () => {
      for (const part of parts.values()) part.emit('drain');
    });
    const forget = () => this.#calls.delete(call);
    call.on('end', () => {
      forget();
      call.end();
    });
    for (const event of ['cancelled', 'error', 'close']) call.on(event, forget);
  }

  #streamOf({ typeUrl, isComplete, resource: find, everyName }: AggregatedType, part: TypeOfCall) {
    return new StateOfTheWorldStream(part, {
      typeUrl,
      isComplete,
      resource: (name) => {
        const resource = find(name);
        return resource && { resource, version: versionOf([resource]) };
      },
      everyName,
      observe: (event, { nodeId }, reason) => {
        if (event !== 'refused') return;
        const code = 'resource-refused';
        this.#log.warn('resource refused by the proxy', { code, type: typeUrl, proxy: nodeId, reason });
      },
    });
  }
}

/** The part of a call that is about one type. */
class TypeOfCall extends EventEmitter implements DiscoveryCall {
  readonly #call: Call;

  constructor(call: Call) {
    super();
    this.#call = call;
    // A fault of one type ends the whole call.
    this.on('error', (error) => this.#call.emit('error', error));
  }

  write(response: DiscoveryResponse): boolean {
    return this.#call.write(response);
  }

  end(): void {
    this.#call.end();
  }
}
