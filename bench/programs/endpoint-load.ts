import { readFileSync } from 'node:fs';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';

/** Load on an HTTPS or mTLS server: prints `{ answers }`. With `keepAlive` requests on kept connections, else one handshake per request. */
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
  ...(load.clientCertificate === undefined
    ? {}
    : { cert: readFileSync(load.clientCertificate), key: readFileSync(load.clientKey ?? '') }),
};

let answers = 0;
let running = true;

function open(): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect(options, () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Resolves with one whole answer: headers, then as many bytes as they announce. */
function ask(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    const onData = (part: Buffer) => {
      text += part.toString('latin1');
      const head = text.indexOf('\r\n\r\n');
      if (head === -1) return;
      const length = Number(/content-length: (\d+)/i.exec(text)?.[1] ?? 0);
      if (text.length < head + 4 + length) return;
      socket.off('data', onData);
      socket.off('close', reject);
      answers += 1;
      resolve();
    };
    socket.on('data', onData);
    socket.once('close', reject);
    socket.write(REQUEST);
  });
}

async function worker(): Promise<void> {
  while (running) {
    const socket = await open();
    do await ask(socket);
    while (running && load.keepAlive);
    socket.destroy();
  }
}

const workers = Array.from({ length: load.connections }, () => worker().catch(() => undefined));
await new Promise((resolve) => setTimeout(resolve, load.seconds * 1000));
running = false;
console.log(JSON.stringify({ answers }));
await Promise.race([Promise.all(workers), new Promise((resolve) => setTimeout(resolve, 500))]);
process.exit(0);
