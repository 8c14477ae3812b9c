import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';

const TYPES = new Map([
  [1, 'A'],
  [28, 'AAAA'],
]);

/** A name server on loopback that knows some IPv4 addresses, says that it does not know the rest, and leaves some questions unanswered. */
export class FakeNameServer {
  /** Every question: type and name. */
  readonly questions: string[] = [];
  readonly #socket: Socket;
  readonly #addresses: Readonly<Record<string, string>>;
  readonly #silent: (question: string) => boolean;

  private constructor(
    addresses: Readonly<Record<string, string>>,
    silent: (question: string) => boolean,
    socket: Socket,
  ) {
    this.#addresses = addresses;
    this.#silent = silent;
    this.#socket = socket;
    socket.on('message', (query, { port }) => {
      const reply = this.#answer(query);
      if (reply) socket.send(reply, port, '127.0.0.1');
    });
  }

  /** `silent` is asked with `A name` or `AAAA name`. */
  static async start(
    addresses: Readonly<Record<string, string>>,
    silent: (question: string) => boolean = () => false,
  ): Promise<FakeNameServer> {
    const socket = createSocket('udp4');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return new FakeNameServer(addresses, silent, socket);
  }

  /** As a resolver takes it. */
  get server(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.close();
    await once(this.#socket, 'close');
  }

  #answer(query: Buffer): Buffer | undefined {
    const labels: string[] = [];
    let at = 12;
    for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
      labels.push(query.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const end = at + 5; // the root label, type and class
    const type = TYPES.get(query.readUInt16BE(at + 1)) ?? 'other';
    const name = labels.join('.').toLowerCase();
    this.questions.push(`${type} ${name}`);
    if (this.#silent(`${type} ${name}`)) return undefined;
    const address = this.#addresses[name];
    const found = address !== undefined && type === 'A';
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    // A response, recursion available; code 3 is "no such name".
    head.writeUInt16BE(0x8180 | (address === undefined ? 3 : 0), 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(found ? 1 : 0, 6);
    if (!found) return Buffer.concat([head, query.subarray(12, end)]);
    // A pointer to the question's name, A, IN, a minute, four bytes.
    const record = Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address.split('.').map(Number)]);
    return Buffer.concat([head, query.subarray(12, end), record]);
  }
}
