import { once } from 'node:events';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import {
  type sendUnaryData,
  Server,
  ServerCredentials,
  type ServerUnaryCall,
  type ServerWritableStream,
} from '@grpc/grpc-js';
import {
  type JwtBundlesResponse,
  type JwtSvidRequest,
  type JwtSvidResponse,
  spiffeWorkloadService,
  type X509BundlesResponse,
} from '../src/grpc/index.ts';

type Call<Message> = ServerWritableStream<unknown, Message>;

/** One stream method of the fake: what open streams and those to come are sent. */
class Stream<Message> {
  readonly #calls = new Set<Call<Message>>();
  #answer: ((call: Call<Message>) => void) | undefined;

  open(call: Call<Message>): void {
    this.#calls.add(call);
    const forget = () => this.#calls.delete(call);
    call.on('cancelled', forget).on('close', forget).on('error', forget);
    this.#answer?.(call);
  }

  say(message: Message): void {
    this.#everyCall((call) => call.write(message));
  }

  refuse(code: number): void {
    this.#everyCall(
      (call) => void call.emit('error', Object.assign(new Error('no'), { code, details: 'no' })),
    );
  }

  #everyCall(answer: (call: Call<Message>) => void): void {
    this.#answer = answer;
    for (const call of this.#calls) answer(call);
  }
}

/** A Workload API that gives bundles and JWT-SVIDs, for sources that need no X509-SVID. */
export class FakeWorkloadBundles implements AsyncDisposable {
  readonly path: string;
  readonly x509 = new Stream<X509BundlesResponse>();
  readonly jwt = new Stream<JwtBundlesResponse>();
  /** Answers a request for JWT-SVIDs; a number is a status that refuses it. */
  jwtSvids: (request: JwtSvidRequest) => JwtSvidResponse | number = () => 7;
  /** The security header of each call, in order. */
  readonly headers: (readonly unknown[])[] = [];
  readonly #grpc = new Server();
  readonly #sockets = new Set<Socket>();
  #listener: NetServer | undefined;

  constructor(path: string) {
    this.path = path;
  }

  async start(): Promise<this> {
    const { FetchX509Bundles, FetchJWTBundles, FetchJWTSVID } = spiffeWorkloadService;
    const stream =
      <Message>(streams: Stream<Message>) =>
      (call: Call<Message>) => {
        this.headers.push(call.metadata.get('workload.spiffe.io'));
        streams.open(call);
      };
    this.#grpc.addService(
      { FetchX509Bundles, FetchJWTBundles, FetchJWTSVID },
      {
        FetchX509Bundles: stream(this.x509),
        FetchJWTBundles: stream(this.jwt),
        FetchJWTSVID: (
          { metadata, request }: ServerUnaryCall<JwtSvidRequest, JwtSvidResponse>,
          reply: sendUnaryData<JwtSvidResponse>,
        ) => {
          this.headers.push(metadata.get('workload.spiffe.io'));
          const answer = this.jwtSvids(request);
          if (typeof answer === 'number') reply({ code: answer, details: 'no' });
          else reply(null, answer);
        },
      },
    );
    const injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    this.#listener = createServer((socket) => {
      this.#sockets.add(socket);
      injector.injectConnection(socket);
    });
    await once(this.#listener.listen(this.path), 'listening');
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#grpc.forceShutdown();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#listener?.close(() => resolve()));
  }
}
