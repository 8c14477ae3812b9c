import {
  type sendUnaryData,
  type Server,
  type ServerUnaryCall,
  type ServerWritableStream,
  status,
} from '@grpc/grpc-js';
import { type HealthCheckRequest, type HealthCheckResponse, healthService } from '../grpc/index.ts';
import type { GrpcService } from './grpc-socket.ts';
import { refuse, StateStreams, TOO_MANY } from './state-streams.ts';

/** The services that can be checked by name; the empty name is the socket as a whole. */
const SERVICES = new Set(['', 'SpiffeWorkloadAPI', 'envoy.service.secret.v3.SecretDiscoveryService']);

/**
 * gRPC's health check, which `spire-agent healthcheck` and `grpc_health_probe` use. Serving means
 * that there is trust to give out. It needs no header, because it reveals nothing that the header
 * protects.
 */
export class HealthService implements GrpcService {
  readonly #serving: () => boolean;
  readonly #maxStreams: number;
  readonly #known: StateStreams;
  readonly #unknown: StateStreams;

  constructor(options: {
    readonly serving: () => boolean;
    /** Most watchers at once of the known services, and the same number for unknown ones. */
    readonly maxStreams: number;
  }) {
    this.#serving = options.serving;
    this.#maxStreams = options.maxStreams;
    const encode = healthService.Watch.responseSerialize;
    this.#known = new StateStreams(() => ({ bytes: encode(this.#answer()) }));
    this.#unknown = new StateStreams(() => ({ bytes: encode({ status: 'SERVICE_UNKNOWN' }) }));
  }

  addTo(server: Server): void {
    const { Check, Watch } = healthService;
    server.addService(
      { Check, Watch: { ...Watch, responseSerialize: (bytes: Buffer) => bytes } },
      {
        Check: (
          { request }: ServerUnaryCall<HealthCheckRequest, HealthCheckResponse>,
          reply: sendUnaryData<HealthCheckResponse>,
        ) => {
          if (SERVICES.has(request.service)) reply(null, this.#answer());
          else reply({ code: status.NOT_FOUND, details: 'this socket has no service of that name' });
        },
        Watch: (call: ServerWritableStream<HealthCheckRequest, Buffer>) => {
          const streams = SERVICES.has(call.request.service) ? this.#known : this.#unknown;
          if (streams.size >= this.#maxStreams) refuse(call, TOO_MANY);
          else streams.open(call);
        },
      },
    );
  }

  /** Sends the present answer to every watcher, because it may have changed. */
  changed(): void {
    this.#known.changed();
  }

  #answer(): HealthCheckResponse {
    return { status: this.#serving() ? 'SERVING' : 'NOT_SERVING' };
  }
}
