import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createAdminClient } from '../../src/admin-client/index.ts';
import { AdminServer } from '../../src/admin/index.ts';
import { stubAdmin } from '../../testkit/admin-handlers.ts';
import { noise } from '../../testkit/hostile-clients.ts';
import { captureHello } from '../../testkit/capture-hello.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const sockets: Socket[] = [];
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
});

async function start(path: string) {
  const server = new AdminServer({ path, ...stubAdmin(await openTestStore()) });
  await server.start();
  return { server, client: createAdminClient({ socketPath: path, operator: 'tester', timeoutMs: 5000 }) };
}

/** Says something on the socket, and stays. */
async function say(path: string, bytes: string | Uint8Array): Promise<Socket> {
  const socket = connect(path);
  sockets.push(socket);
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.resume();
  socket.write(bytes);
  return socket;
}

describe('AdminServer and hostile clients', () => {
  it('serves its operator beside clients that hang, speak TLS or send noise, and ends with them still there', async () => {
    using folder = tempDir();
    const path = folder.file('admin.sock');
    const { server, client } = await start(path);
    const hello = await captureHello({ servername: 'a.example' });
    for (let round = 0; round < 20; round += 1) {
      await say(path, '');
      await say(path, hello);
      await say(path, noise(2000, round));
      await say(path, 'GET /v1/relationships HTTP/1.1\r\nhost: a\r\nx: ');
      await say(path, `GET /${'y'.repeat(40_000)} HTTP/1.1\r\n\r\n`);
      await say(path, 'POST /v1/relationships HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\n{');
    }
    expect(await client.call('GET /v1/relationships')).toEqual([]);
    await server.stop();
    expect(existsSync(path)).toBe(false);
  });

  it.each([
    ['no JSON', '{'],
    ['a list', '[]'],
    ['another field', '{"trust_domain":"b.example","frob":1}'],
    ['what would be the prototype', '{"__proto__":{"trust_domain":"b.example"}}'],
  ])('refuses a relationship that is %s with a code, and adds nothing', async (_what, body) => {
    using folder = tempDir();
    const path = folder.file('admin.sock');
    const { server, client } = await start(path);
    const socket = await say(
      path,
      `POST /v1/relationships HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    );
    let text = '';
    socket.on('data', (part: Buffer) => {
      text += part.toString();
    });
    await once(socket, 'close');
    expect(text).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(text).toMatch(/"code":"[a-z-]+"/);
    expect(await client.call('GET /v1/relationships')).toEqual([]);
    await server.stop();
  });
});
