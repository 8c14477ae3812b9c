import {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js';

/** The metadata that every caller of the Workload API sends. */
export function workloadHeader(...values: readonly string[]): Metadata {
  const metadata = new Metadata();
  for (const value of values) metadata.add('workload.spiffe.io', value);
  return metadata;
}

/** A plain gRPC caller on a Unix socket, so that tests see what comes over the wire. */
export class WorkloadCaller implements Disposable {
  readonly #client: Client;
  readonly #metadata: Metadata;

  constructor(socketPath: string, metadata = workloadHeader('true')) {
    this.#client = new Client(`unix:${socketPath}`, credentials.createInsecure(), {
      'grpc.max_receive_message_length': -1,
    });
    this.#metadata = metadata;
  }

  /** The messages of a stream as they come; rejects with the status that ends it. */
  async *stream<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
  ): AsyncGenerator<Response, void, void> {
    const call = this.#client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      this.#metadata,
    );
    try {
      for await (const message of call as ClientReadableStream<Response> & AsyncIterable<Response>)
        yield message;
    } finally {
      call.cancel();
    }
  }

  /** The first message of a stream, which is left then. */
  async first<Request, Response>(
    method: MethodDefinition<Request, Response>,
    request: Request,
  ): Promise<Response> {
    for await (const message of this.stream(method, request)) return message;
    throw new Error('the stream ended without a message');
  }

  /** A stream in both directions. */
  open<Request, Response>(method: MethodDefinition<Request, Response>): CallerStream<Request, Response> {
    return new CallerStream(
      this.#client.makeBidiStreamRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        this.#metadata,
      ),
    );
  }

  /** One call; rejects with its status. */
  call<Request, Response>(method: MethodDefinition<Request, Response>, request: Request): Promise<Response> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        this.#metadata,
        (error: ServiceError | null, response?: Response) => {
          if (error) reject(error);
          else if (response === undefined) reject(new Error('neither an answer nor an error'));
          else resolve(response);
        },
      );
    });
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

/** One open stream: what is said on it, and the answers one by one. */
class CallerStream<Request, Response> {
  readonly #call: ClientDuplexStream<Request, Response>;
  readonly #answers: AsyncIterator<Response>;

  constructor(call: ClientDuplexStream<Request, Response>) {
    this.#call = call;
    this.#answers = (call as AsyncIterable<Response>)[Symbol.asyncIterator]();
  }

  say(request: Request): void {
    this.#call.write(request);
  }

  /** The next answer; rejects with the status that ends the stream. */
  async next(): Promise<Response> {
    const { value, done } = await this.#answers.next();
    if (done === true) throw new Error('the stream ended');
    return value;
  }

  close(): void {
    this.#call.cancel();
  }
}
