import { readFileSync } from 'node:fs';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';

/** Load on an HTTPS or mTLS server: requests on kept connections, or with a full handshake each. Prints a `LoadResult`. */
interface Load {
  readonly port: number;
  readonly seconds: number;
  readonly connections: number;
  readonly keepAlive: boolean;
  readonly clientCertificate?: string;
  readonly clientKey?: string;
}

const load = JSON.parse(process.argv[2] ?? '{}') as Load;
const REQUEST = `GET / HTTP/1.1\r\nhost: localhost\r\n${load.keepAlive ? '' : 'connection: close\r\n'}\r\n`;
const options: ConnectionOptions = {
  host: '127.0.0.1',
  port: load.port,
  servername: 'localhost',
  rejectUnauthorized: false,
  // One key exchange for all servers; the newest is not known to the older OpenSSL of some.
  ecdhCurve: 'X25519',
  ...(load.clientCertificate === undefined
    ? {}
    : { cert: readFileSync(load.clientCertificate), key: readFileSync(load.clientKey ?? '') }),
};

let operations = 0;
let failures = 0;
let firstFailure: string | undefined;
let running = true;

function open(): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect(options, () => resolve(socket));
    socket.setNoDelay(true);
    socket.once('error', reject);
  });
}

/** One request and its whole answer, which must be a 200; whether the connection may be used again. */
function ask(socket: TLSSocket): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let text = '';
    const onClose = () => reject(new Error('closed before a whole answer'));
    const onData = (part: Buffer) => {
      text += part.toString('latin1');
      const end = text.indexOf('\r\n\r\n');
      if (end === -1) return;
      const head = text.slice(0, end);
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0);
      if (text.length < end + 4 + length) return;
      socket.off('data', onData);
      socket.off('close', onClose);
      if (!head.startsWith('HTTP/1.1 200')) reject(new Error(`answered ${head.split('\r\n')[0]}`));
      else resolve(!/\r\nconnection: *close/i.test(head));
    };
    socket.on('data', onData);
    socket.once('close', onClose);
    socket.write(REQUEST);
  });
}

async function worker(): Promise<void> {
  while (running) {
    let socket: TLSSocket | undefined;
    try {
      socket = await open();
      let again: boolean;
      do {
        again = await ask(socket);
        operations += 1;
      } while (running && again && load.keepAlive);
    } catch (error) {
      failures += 1;
      firstFailure ??= error instanceof Error ? error.message : String(error);
      if (failures > 100) return;
    } finally {
      socket?.destroy();
    }
  }
}

const start = performance.now();
const workers = Array.from({ length: load.connections }, () => worker());
const timer = setTimeout(() => {
  running = false;
}, load.seconds * 1000);
await Promise.all(workers);
clearTimeout(timer);
const seconds = (performance.now() - start) / 1000;
console.log(JSON.stringify({ operations, failures, firstFailure, seconds }));
