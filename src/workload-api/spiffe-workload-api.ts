import {
  type Metadata,
  type MethodDefinition,
  type sendUnaryData,
  type Server,
  type ServerUnaryCall,
  type ServerWritableStream,
  status,
} from '@grpc/grpc-js';
import {
  type JwtSvidRequest,
  type JwtSvidResponse,
  spiffeWorkloadService,
  type ValidateJwtSvidRequest,
  type ValidateJwtSvidResponse,
} from '../grpc/index.ts';
import type { Clock } from '../platform/index.ts';
import { JwtSvidError, verifyJwtSvid } from '../spiffe/index.ts';
import type { GrpcService } from './grpc-socket.ts';
import { claimsMessage } from './jwt-claims.ts';
import { refuse, StateStreams, TOO_MANY } from './state-streams.ts';
import { WORKLOAD_HEADER } from './workload-header.ts';
import {
  type Refusal,
  type Rendered,
  renderJwtBundles,
  renderX509Bundles,
  renderX509Svids,
} from './workload-messages.ts';
import { bundlesOf, type WorkloadState } from './workload-state.ts';

const MAX_STREAMS = 1024;

/** How many streams of each method are open. */
export type OpenStreams = Readonly<Record<'FetchX509SVID' | 'FetchX509Bundles' | 'FetchJWTBundles', number>>;

/**
 * The SPIFFE Workload API: what workloads verify their peers with and, where there is an SVID, what
 * they present. It does not distinguish callers: every caller that may open the socket gets
 * everything. There are no methods for WIT-SVIDs; gRPC answers those with Unimplemented (WLAPI-28).
 */
export class SpiffeWorkloadApi implements GrpcService {
  readonly #state: () => WorkloadState;
  readonly #clock: Clock;
  readonly #maxStreams: number;
  readonly #x509Svids: StateStreams;
  readonly #x509Bundles: StateStreams;
  readonly #jwtBundles: StateStreams;

  constructor(options: {
    readonly state: () => WorkloadState;
    readonly clock: Clock;
    /** Streams of each method at once; default 1024. */
    readonly maxStreams?: number;
  }) {
    const { state, clock, maxStreams = MAX_STREAMS } = options;
    this.#state = state;
    this.#clock = clock;
    this.#maxStreams = maxStreams;
    const { FetchX509SVID, FetchX509Bundles, FetchJWTBundles } = spiffeWorkloadService;
    this.#x509Svids = streamsOf(() => renderX509Svids(state()), FetchX509SVID);
    this.#x509Bundles = streamsOf(() => renderX509Bundles(state()), FetchX509Bundles);
    this.#jwtBundles = streamsOf(() => renderJwtBundles(state()), FetchJWTBundles);
  }

  addTo(server: Server): void {
    const { FetchX509SVID, FetchX509Bundles, FetchJWTSVID, FetchJWTBundles, ValidateJWTSVID } =
      spiffeWorkloadService;
    const stream = (streams: StateStreams) => (call: ServerWritableStream<unknown, Buffer>) => {
      const refusal = refusalOf(call.metadata) ?? (streams.size >= this.#maxStreams ? TOO_MANY : undefined);
      if (refusal) refuse(call, refusal);
      else streams.open(call);
    };
    server.addService(
      {
        FetchX509SVID: preEncoded(FetchX509SVID),
        FetchX509Bundles: preEncoded(FetchX509Bundles),
        FetchJWTBundles: preEncoded(FetchJWTBundles),
        FetchJWTSVID,
        ValidateJWTSVID,
      },
      {
        FetchX509SVID: stream(this.#x509Svids),
        FetchX509Bundles: stream(this.#x509Bundles),
        FetchJWTBundles: stream(this.#jwtBundles),
        FetchJWTSVID: unary<JwtSvidRequest, JwtSvidResponse>((request) => this.#jwtSvid(request)),
        ValidateJWTSVID: unary<ValidateJwtSvidRequest, ValidateJwtSvidResponse>((request) =>
          this.#validate(request),
        ),
      },
    );
  }

  /** Sends the present state to every stream, because it may have changed. */
  changed(): void {
    for (const streams of [this.#x509Svids, this.#x509Bundles, this.#jwtBundles]) streams.changed();
  }

  get streams(): OpenStreams {
    return {
      FetchX509SVID: this.#x509Svids.size,
      FetchX509Bundles: this.#x509Bundles.size,
      FetchJWTBundles: this.#jwtBundles.size,
    };
  }

  /** No key here signs JWT-SVIDs, so no caller gets one (WLAPI-09). */
  async #jwtSvid({ audience }: JwtSvidRequest): Promise<Rendered<JwtSvidResponse>> {
    if (audience.length === 0 || audience.includes(''))
      return invalid('a JWT-SVID needs at least one audience, and no audience can be empty');
    return {
      refusal: { code: status.PERMISSION_DENIED, message: 'this socket issues no JWT-SVIDs' },
    };
  }

  async #validate({ audience, svid }: ValidateJwtSvidRequest): Promise<Rendered<ValidateJwtSvidResponse>> {
    if (audience === '') return invalid('the request needs an audience');
    if (svid === '') return invalid('the request needs a JWT-SVID');
    const state = this.#state();
    if (!state.own)
      return {
        refusal: { code: status.UNAVAILABLE, message: 'our own mesh has not reported its roots yet' },
      };
    try {
      const proven = await verifyJwtSvid(svid, bundlesOf(state), {
        now: this.#clock.now(),
        audiences: [audience],
      });
      const foreign = proven.trustDomain !== state.own.trustDomain;
      return { message: { spiffe_id: proven.id, claims: claimsMessage(proven.claims, { foreign }) } };
    } catch (error) {
      if (!(error instanceof JwtSvidError)) throw error;
      return invalid(`${error.message} (${error.code})`);
    }
  }
}

/** Absent, twice, or with another value: all get the same refusal (WLAPI-04). */
function refusalOf(metadata: Metadata): Refusal | undefined {
  const values = metadata.get(WORKLOAD_HEADER);
  if (values.length === 1 && values[0] === 'true') return undefined;
  return {
    code: status.INVALID_ARGUMENT,
    message: `every request of the Workload API carries the metadata "${WORKLOAD_HEADER}: true" once`,
  };
}

function invalid(message: string): { readonly refusal: Refusal } {
  return { refusal: { code: status.INVALID_ARGUMENT, message } };
}

function unary<Request, Response>(answer: (request: Request) => Promise<Rendered<Response>>) {
  return (
    { metadata, request }: ServerUnaryCall<Request, Response>,
    reply: sendUnaryData<Response>,
  ): void => {
    const refusal = refusalOf(metadata);
    if (refusal) {
      reply({ code: refusal.code, details: refusal.message });
      return;
    }
    answer(request).then(
      (rendered) => {
        if ('refusal' in rendered) reply({ code: rendered.refusal.code, details: rendered.refusal.message });
        else reply(null, rendered.message);
      },
      () => reply({ code: status.INTERNAL, details: 'the request failed' }),
    );
  };
}

function streamsOf<Message>(
  render: () => Rendered<Message>,
  { responseSerialize }: Pick<MethodDefinition<unknown, Message>, 'responseSerialize'>,
): StateStreams {
  return new StateStreams(() => {
    const rendered = render();
    return 'refusal' in rendered ? rendered : { bytes: responseSerialize(rendered.message) };
  });
}

/** The method with responses that are encoded in advance, once for all streams. */
function preEncoded<Request, Response>(
  definition: MethodDefinition<Request, Response>,
): MethodDefinition<Request, Buffer> {
  return {
    ...definition,
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: (bytes: Buffer) => bytes,
  };
}
