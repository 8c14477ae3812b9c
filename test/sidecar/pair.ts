import { connect, createServer, type Socket } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { RequestListener } from 'node:http';
import type {
  InboundOptions,
  OutboundOptions,
  SidecarOptions,
} from '../../src/demonstration/sidecar/index.ts';
import { createTestCa } from '../../testkit/test-ca.ts';
import { call, outboundTo, perDomain, World } from './support.ts';

const ca = await createTestCa({ trustDomain: 'a.example' });
export const caller = await ca.issueLeaf({ path: '/caller' });
export const info = await ca.issueLeaf({ path: '/info' });
export const other = await ca.issueLeaf({ path: '/other' });

const loopback = (port = 0) => ({ host: '127.0.0.1', port });

/** What a test of a pair of sidecars configures; each part is added to what the pair needs anyway. */
export interface PairOptions {
  readonly inbound?: Partial<InboundOptions>;
  readonly outbound?: Partial<OutboundOptions>;
  readonly both?: Partial<SidecarOptions>;
  readonly called?: Partial<SidecarOptions>;
  readonly calling?: Partial<SidecarOptions>;
}

/** The sidecar of `info` before a workload that listens on `port` already. */
export async function calledSidecar(world: World, port: number, options: PairOptions = {}) {
  return await world.sidecar(info, perDomain(ca.bundle()), {
    inbound: {
      listen: loopback(),
      forwardTo: loopback(port),
      allow: [caller.id, other.id],
      ...options.inbound,
    },
    ...options.both,
    ...options.called,
  });
}

/** The sidecar of a caller, with one upstream on `port`. */
export async function callingSidecar(world: World, port: number, options: PairOptions = {}, leaf = caller) {
  const { sidecar, metrics } = await world.sidecar(leaf, perDomain(ca.bundle()), {
    outbound: [{ ...outboundTo(port, info.id), ...options.outbound }],
    ...options.both,
    ...options.calling,
  });
  const out = sidecar.outbound[0]?.address().port ?? 0;
  return { sidecar, metrics, out, ask: (request: Parameters<typeof call>[1] = {}) => call(out, request) };
}

/** caller → its sidecar → the sidecar of the workload → workload, all in one trust domain. */
export async function pair(world: World, workload: RequestListener, options: PairOptions = {}) {
  const called = await calledSidecar(world, await world.workload(workload), options);
  const calling = await callingSidecar(world, called.sidecar.inbound?.address().port ?? 0, options);
  return { called, calling, ask: calling.ask, out: calling.out };
}

/** A server of raw bytes on loopback. */
export async function rawServer(world: World, listener: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    listener(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  world.add(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

/** A port of loopback where nothing listens. */
export async function closedPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** The fields of the log lines with this message. */
export const lines = (world: World, message: string) =>
  world.log.records.filter((record) => record.message === message).map(({ fields }) => fields);

/** What a client of raw bytes hears until the connection ends. */
export async function sayTo(world: World, port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  world.add(() => socket.destroy());
  let heard = '';
  socket.on('error', () => {});
  socket.on('data', (part: Buffer) => (heard += part.toString('latin1')));
  socket.write(text);
  await once(socket, 'close');
  return heard;
}
