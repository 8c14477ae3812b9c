import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, createSecureContext, type TLSSocket } from 'node:tls';
import { residentBytes } from '../support/process.ts';

/** Many clients that wait for a change at one endpoint, and hear of it. Prints what they cost the server and how long it took. */
const { port, serverPid, clients } = JSON.parse(process.argv[2] ?? '{}') as {
  readonly port: number;
  readonly serverPid: number;
  readonly clients: number;
};
const secureContext = createSecureContext({ ecdhCurve: 'X25519' });
const HANDSHAKES_AT_ONCE = 64;

async function open(): Promise<TLSSocket> {
  const socket = connect({
    host: '127.0.0.1',
    port,
    servername: 'localhost',
    secureContext,
    rejectUnauthorized: false,
  });
  await once(socket, 'secureConnect');
  return socket;
}

/** The head of one answer. */
async function ask(socket: TLSSocket, headers: string): Promise<string> {
  socket.write(`GET / HTTP/1.1\r\nhost: localhost\r\n${headers}\r\n`);
  let text = '';
  while (!text.includes('\r\n\r\n')) {
    const [part] = (await once(socket, 'data')) as [Buffer];
    text += part.toString('latin1');
  }
  return text;
}

const first = await open();
const etag = /etag: (\S+)/i.exec(await ask(first, ''))?.[1] ?? '';
first.destroy();
const before = residentBytes(serverPid);
const startMs = performance.now();
const answers: Promise<string>[] = [];
let opened = 0;
await Promise.all(
  Array.from({ length: HANDSHAKES_AT_ONCE }, async () => {
    while (opened < clients) {
      opened += 1;
      const socket = await open();
      answers.push(
        ask(socket, `if-none-match: ${etag}\r\nprefer: wait=300\r\n`).finally(() => socket.destroy()),
      );
    }
  }),
);
await sleep(1000);
const openMs = performance.now() - startMs - 1000;
const held = residentBytes(serverPid) - before;
const changedMs = performance.now();
process.kill(serverPid, 'SIGUSR2');
const heads = await Promise.all(answers);
const good = heads.filter((head) => head.startsWith('HTTP/1.1 200')).length;
console.log(
  JSON.stringify({ good, openMs, bytesPerClient: held / clients, wakeMs: performance.now() - changedMs }),
);
