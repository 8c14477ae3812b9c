import { connect, type Socket } from 'node:net';
import { Worker } from 'node:worker_threads';

const LISTEN_AND_FREEZE = `
  const { createServer } = require('node:net');
  const { parentPort, workerData } = require('node:worker_threads');
  const server = createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    parentPort.postMessage(server.address().port);
    setTimeout(() => Atomics.wait(new Int32Array(workerData), 0, 0), 20);
  });
`;

/** A port whose queue is full and where nobody accepts: a connection to it neither comes about nor fails. */
export class BlockedPort {
  readonly port: number;
  readonly #worker: Worker;
  readonly #gate: SharedArrayBuffer;
  readonly #fillers: Socket[] = [];

  private constructor(worker: Worker, gate: SharedArrayBuffer, port: number) {
    this.#worker = worker;
    this.#gate = gate;
    this.port = port;
  }

  static async open(): Promise<BlockedPort> {
    const gate = new SharedArrayBuffer(4);
    const worker = new Worker(LISTEN_AND_FREEZE, { eval: true, workerData: gate });
    const port = await new Promise<number>((resolve) => worker.once('message', resolve));
    await new Promise((resolve) => setTimeout(resolve, 100));
    const blocked = new BlockedPort(worker, gate, port);
    // The queue takes a few before the kernel lets the next ones hang.
    for (let count = 0; count < 8; count += 1) {
      const filler = connect(port, '127.0.0.1');
      filler.on('error', () => {});
      blocked.#fillers.push(filler);
      const connected = await new Promise<boolean>((resolve) => {
        filler.once('connect', () => resolve(true));
        setTimeout(() => resolve(false), 150);
      });
      if (!connected) return blocked;
    }
    throw new Error('the queue of the blocked port did not fill up');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const filler of this.#fillers) filler.destroy();
    Atomics.store(new Int32Array(this.#gate), 0, 1);
    Atomics.notify(new Int32Array(this.#gate), 0);
    await this.#worker.terminate();
  }
}
