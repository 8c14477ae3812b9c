import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { KubernetesClient } from '../../../src/mesh-adapters/kubernetes/kubernetes-client.ts';
import type { WatchEvent } from '../../../src/mesh-adapters/kubernetes/watch-events.ts';
import { configMapsOf } from '../../../src/mesh-adapters/kubernetes/config-map.ts';
import { systemClock } from '../../../src/platform/index.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';

const TARGET = { namespace: 'istio-system', name: 'istio' };
const OBJECT = { kind: 'ConfigMap', metadata: { ...TARGET, resourceVersion: '7' }, data: { mesh: 'a: 1\n' } };
const { signal } = new AbortController();

/** An API server that a test controls, and a pod's service account to call it with. */
async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void) {
  const folder = tempDir();
  writeFileSync(folder.file('token'), 'first\n');
  writeFileSync(folder.file('ca.crt'), '');
  const server = createServer(answer);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const client = new KubernetesClient({
    source: { kind: 'in-cluster', serviceAccountFolder: folder.path, server: `http://127.0.0.1:${port}` },
    clock: systemClock,
  });
  return {
    client,
    folder,
    [Symbol.dispose]: () => {
      server.closeAllConnections();
      server.close();
      folder[Symbol.dispose]();
    },
  };
}

const watchTarget = (client: KubernetesClient) =>
  client.watchObjects(configMapsOf(TARGET.namespace), { fieldSelector: 'metadata.name=istio' }, '1', signal);

async function collect(events: AsyncIterable<WatchEvent>): Promise<WatchEvent[]> {
  const seen: WatchEvent[] = [];
  for await (const event of events) seen.push(event);
  return seen;
}

describe('KubernetesClient', () => {
  it.each([
    [401, 'mesh-unauthenticated'],
    [403, 'mesh-forbidden'],
    [404, 'mesh-not-found'],
    [409, 'mesh-conflict'],
    [410, 'mesh-expired'],
    [422, 'mesh-refused'],
    [429, 'mesh-unavailable'],
    [500, 'mesh-unavailable'],
  ])('reports status %i as %s, with the server’s message', async (status, code) => {
    let answerStatus = 200;
    using api = await serve((_, response) => {
      response.writeHead(answerStatus);
      response.end(
        JSON.stringify(answerStatus === 200 ? OBJECT : { kind: 'Status', message: 'no such luck' }),
      );
    });
    expect((await api.client.get(TARGET, signal)).data).toEqual(OBJECT.data);
    answerStatus = status;
    const failing = api.client.get(TARGET, signal);
    await expect(failing).rejects.toMatchObject({ code, message: expect.stringContaining('no such luck') });
  });

  it.each([
    [
      'half a message',
      'mesh-unreachable',
      (response: ServerResponse) => {
        response.writeHead(200, { 'content-length': 1000 });
        response.write('{"kind":', () => response.destroy());
      },
    ],
    ['no JSON', 'mesh-answer-malformed', (response: ServerResponse) => void response.end('<html>')],
    [
      'no ConfigMap',
      'mesh-answer-malformed',
      (response: ServerResponse) => void response.end('{"kind":"Pod"}'),
    ],
    [
      'more than is allowed',
      'mesh-answer-malformed',
      (response: ServerResponse) => void response.end(' '.repeat(5_000_000)),
    ],
  ])('refuses an answer of %s', async (_, code, answer) => {
    using api = await serve((_request, response) => answer(response));
    await expect(api.client.get(TARGET, signal)).rejects.toMatchObject({ code });
  });

  it('reads the token of the service account for every request', async () => {
    const seen: (string | undefined)[] = [];
    using api = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.end(JSON.stringify(OBJECT));
    });
    await api.client.get(TARGET, signal);
    writeFileSync(api.folder.file('token'), 'second');
    await api.client.get(TARGET, signal);
    expect(seen).toEqual(['Bearer first', 'Bearer second']);
  });

  it('watch() gives whole events and drops the incomplete one of a broken connection', async () => {
    using api = await serve((_, response) => {
      const lines = [
        { type: 'ADDED', object: OBJECT },
        { type: 'BOOKMARK', object: { metadata: { resourceVersion: '9' } } },
      ].map((event) => `${JSON.stringify(event)}\n`);
      response.writeHead(200);
      response.write(`${lines.join('')}{"type":"MODIF`, () => setImmediate(() => response.destroy()));
    });
    const seen: string[] = [];
    const watching = (async () => {
      for await (const { kind, resourceVersion } of watchTarget(api.client))
        seen.push(`${kind} ${resourceVersion}`);
    })();
    await expect(watching).rejects.toMatchObject({ code: 'mesh-unreachable' });
    expect(seen).toEqual(['open 1', 'object 7', 'bookmark 9']);
  });

  it('watch() reports a version that is too old (410), as status and as event', async () => {
    let asEvent = true;
    using api = await serve((_, response) => {
      response.writeHead(asEvent ? 200 : 410);
      const status = { kind: 'Status', code: 410, message: 'too old' };
      response.end(JSON.stringify(asEvent ? { type: 'ERROR', object: status } : status) + '\n');
    });
    await expect(collect(watchTarget(api.client))).rejects.toMatchObject({
      code: 'mesh-expired',
    });
    asEvent = false;
    await expect(collect(watchTarget(api.client))).rejects.toMatchObject({
      code: 'mesh-expired',
    });
  });
});
