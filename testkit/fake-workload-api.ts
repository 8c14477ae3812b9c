import { once } from 'node:events';
import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { rmSync } from 'node:fs';
import { Server, ServerCredentials, type ServerWritableStream } from '@grpc/grpc-js';
import { spiffeWorkloadService, type X509SvidResponse } from '../src/grpc/index.ts';

type Call = ServerWritableStream<unknown, X509SvidResponse>;

/**
 * A Workload API that does what it is told: it says to each caller of `FetchX509SVID` what `answer` says, and keeps what callers
 * sent. It stops and starts again on the same path as often as one likes.
 */
export class FakeWorkloadApi implements AsyncDisposable {
  readonly path: string;
  /** What a new stream gets; nothing at all where it is undefined. */
  answer: ((call: Call) => void) | undefined;
  /** The metadata of each call, in order. */
  readonly seen: (readonly unknown[])[] = [];
  #calls = new Set<Call>();
  #grpc = new Server();
  #listener: NetServer | undefined;
  readonly #sockets = new Set<Socket>();

  constructor(path: string, message?: X509SvidResponse) {
    this.path = path;
    if (message) this.say(message);
  }

  /** Every stream, those open now and those to come, gets this message. */
  say(message: X509SvidResponse): void {
    this.answer = (call) => call.write(message);
    for (const call of this.#calls) call.write(message);
  }

  /** Ends every open stream with this status, and those to come at once. */
  refuse(code: number, details = 'no'): void {
    const end = (call: Call) => void call.emit('error', Object.assign(new Error(details), { code, details }));
    this.answer = end;
    for (const call of this.#calls) end(call);
    this.#calls.clear();
  }

  /** Ends every open stream in order. */
  endStreams(): void {
    for (const call of this.#calls) call.end();
    this.#calls.clear();
  }

  async start(): Promise<this> {
    const { FetchX509SVID } = spiffeWorkloadService;
    this.#grpc = new Server();
    this.#grpc.addService(
      { FetchX509SVID },
      {
        FetchX509SVID: (call: Call) => {
          this.seen.push(call.metadata.get('workload.spiffe.io'));
          this.#calls.add(call);
          const forget = () => this.#calls.delete(call);
          call.on('cancelled', forget).on('close', forget).on('error', forget);
          this.answer?.(call);
        },
      },
    );
    const injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure());
    rmSync(this.path, { force: true });
    this.#listener = createServer((socket) => {
      this.#sockets.add(socket);
      injector.injectConnection(socket);
    });
    await once(this.#listener.listen(this.path), 'listening');
    return this;
  }

  /** As when its process is killed: streams break, and the file of the socket is gone. */
  async stop(): Promise<void> {
    this.#grpc.forceShutdown();
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
    this.#calls.clear();
    const listener = this.#listener;
    this.#listener = undefined;
    if (listener) await new Promise<void>((resolve) => listener.close(() => resolve()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}
