import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** One connection to a port of loopback that is up to no good; resolves once it has done what it does. */
export type HostileClient = (port: number) => Promise<Socket>;

/** A TCP connection whose end, however it comes, is nobody's error. */
export async function plug(port: number): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Sends bytes and then nothing more, and reads what comes. */
export function sends(bytes: Uint8Array | (() => Uint8Array)): HostileClient {
  return async (port) => {
    const socket = await plug(port);
    socket.resume();
    socket.write(typeof bytes === 'function' ? bytes() : bytes);
    return socket;
  };
}

/** Sends bytes and cuts the connection. */
function resetsAfter(bytes: Uint8Array): HostileClient {
  return async (port) => {
    const socket = await plug(port);
    if (bytes.length > 0) await new Promise((resolve) => socket.write(bytes, resolve));
    socket.resetAndDestroy();
    return socket;
  };
}

/** Sends bytes, says that it will send no more, and stays. */
function halfCloses(bytes: Uint8Array): HostileClient {
  return async (port) => {
    const socket = await plug(port);
    socket.resume();
    socket.end(bytes);
    return socket;
  };
}

/** Sends the same bytes again and again for as long as the other side takes them, and reads nothing. */
export function floods(bytes: Uint8Array): HostileClient {
  return async (port) => {
    const socket = await plug(port);
    const many = Buffer.concat(Array.from({ length: Math.ceil(65_536 / bytes.length) }, () => bytes));
    const pour = () => {
      while (!socket.destroyed && socket.write(many));
    };
    socket.on('drain', pour);
    pour();
    return socket;
  };
}

/** A TLS client that can do no better than an old version. */
function speaksOnly(maxVersion: 'TLSv1' | 'TLSv1.1'): HostileClient {
  return async (port) => {
    const socket = connectTls({
      host: '127.0.0.1',
      port,
      servername: 'a.example',
      minVersion: 'TLSv1',
      maxVersion,
      ciphers: 'DEFAULT@SECLEVEL=0',
      rejectUnauthorized: false,
    });
    socket.on('error', () => {});
    await new Promise((resolve) => socket.once('close', resolve).once('secureConnect', resolve));
    return socket;
  };
}

/** Bytes that are the same in every run and look like noise. */
export function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let state = seed >>> 0;
  for (let index = 0; index < length; index += 1) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
}

/** What any TLS port meets, whoever listens behind it. `hello` is a whole ClientHello. */
export function hostileToTls(hello: Buffer): readonly (readonly [what: string, client: HostileClient])[] {
  const record = (type: number, body: Uint8Array) =>
    Buffer.concat([Buffer.from([type, 3, 1, body.length >> 8, body.length & 255]), body]);
  let seed = 0;
  return [
    ['says nothing', (port) => plug(port)],
    ['says nothing more after half a ClientHello', sends(hello.subarray(0, hello.length / 2))],
    ['says nothing more after one byte', sends(hello.subarray(0, 1))],
    ['sends noise', sends(() => noise(2000, (seed += 1)))],
    ['sends noise in a handshake record', sends(() => record(22, noise(2000, (seed += 1))))],
    ['speaks plain HTTP', sends(Buffer.from('GET / HTTP/1.1\r\nhost: a.example\r\n\r\n'))],
    ['speaks SSL 2', sends(Buffer.from([0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10]))],
    ['speaks TLS 1.0', speaksOnly('TLSv1')],
    ['speaks TLS 1.1', speaksOnly('TLSv1.1')],
    ['announces a ClientHello of 16 MiB', sends(record(22, Buffer.from([1, 0xff, 0xff, 0xff, 3, 3])))],
    ['sends empty records', floods(record(22, Buffer.alloc(0)))],
    [
      'sends records without end',
      floods(record(22, Buffer.concat([Buffer.from([1, 0xff, 0xff, 0xff]), Buffer.alloc(1000)]))),
    ],
    ['sends application data first', floods(record(23, noise(1000, 5)))],
    ['half-closes before it says anything', halfCloses(Buffer.alloc(0))],
    ['half-closes in its ClientHello', halfCloses(hello.subarray(0, 40))],
    ['half-closes after its ClientHello', halfCloses(hello)],
    ['resets at once', resetsAfter(Buffer.alloc(0))],
    ['resets in its ClientHello', resetsAfter(hello.subarray(0, 40))],
    ['resets after its ClientHello', resetsAfter(hello)],
  ];
}

/** Opens so many at once. */
export function swarm(count: number, client: HostileClient, port: number): Promise<Socket[]> {
  return Promise.all(Array.from({ length: count }, () => client(port)));
}
