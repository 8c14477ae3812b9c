import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type ConnectionOptions, connect } from 'node:tls';

/** The first flight of Node's own TLS client, with the options it would connect with: a ClientHello, and what follows it need not be TLS. */
export async function captureHello(options: Omit<ConnectionOptions, 'host' | 'port'> = {}): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = connect({ host: '127.0.0.1', port, ...options });
  client.on('error', () => {}); // it is cut off, as intended
  const [socket] = (await once(server, 'connection')) as [Socket];
  const parts: Buffer[] = [];
  do {
    const [part] = (await once(socket, 'data')) as [Buffer];
    parts.push(part);
  } while (!isWhole(Buffer.concat(parts)));
  client.destroy();
  socket.destroy();
  server.close();
  return Buffer.concat(parts);
}

/** Whether the first record, which holds Node's whole hello, is all there. */
function isWhole(bytes: Buffer): boolean {
  return bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt16BE(3);
}
