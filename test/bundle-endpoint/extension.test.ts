import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { BundleEndpoint, type ExtensionRequest } from '../../src/bundle-endpoint/index.ts';
import { svidFromPem } from '../../src/mtls/index.ts';
import { createMetrics, systemClock } from '../../src/platform/index.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { createTestCa } from '../../testkit/test-ca.ts';

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

const LABEL = 'EXPERIMENTAL-of-a-test';

/** An endpoint on loopback, and one connection to it for requests one after the other. */
async function start() {
  const valid = { notBefore: new Date(Date.now() - 60_000), notAfter: new Date(Date.now() + 3_600_000) };
  const ca = await createTestCa({ trustDomain: 'a.example', ...valid });
  const leaf = await ca.issueLeaf({ path: '/federate', ...valid });
  const svid = svidFromPem(leaf.certPem, leaf.keyPem);
  const log = createRecordingLog();
  const endpoint = new BundleEndpoint({
    profile: { kind: 'https_spiffe', svid: { current: () => svid, onChange: () => () => {} } },
    url: new URL('https://127.0.0.1/'),
    path: '/bundle.json',
    limits: { maxConnections: 50, maxConnectionsPerAddress: 40 },
    clock: systemClock,
    log,
    metrics: createMetrics({ processMetrics: false }),
  });
  endpoint.publish({ ...ca.bundle(1n), refreshHintSeconds: 300 });
  await endpoint.start({ host: '127.0.0.1', port: 0 });
  stops.push(() => endpoint.stop(100));
  const dial = async () => {
    const socket = connect({ host: '127.0.0.1', port: endpoint.address().port, rejectUnauthorized: false });
    socket.on('error', () => {});
    stops.push(() => void socket.destroy());
    await once(socket, 'secureConnect');
    return socket;
  };
  return { endpoint, dial, log };
}

/**
 * Sends one request and reads one answer that has a length; an empty text when the connection ends
 * first.
 */
function say(
  socket: TLSSocket,
  method: string,
  path: string,
  body = '',
  announced = Buffer.byteLength(body),
) {
  return new Promise<string>((resolve) => {
    let text = '';
    const look = (chunk: Buffer) => {
      text += chunk.toString('latin1');
      const [head = '', rest = ''] = text.split('\r\n\r\n');
      const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? Number.NaN);
      if (rest.length < length || Number.isNaN(length)) return;
      socket.off('data', look);
      resolve(text);
    };
    socket.on('data', look);
    socket.once('close', () => resolve(text));
    const length = method === 'GET' ? '' : `content-length: ${announced}\r\n`;
    socket.write(`${method} ${path} HTTP/1.1\r\nhost: x\r\n${length}\r\n${body}`);
  });
}

const withoutDate = (answer: string) => answer.replace(/date: .*\r\n/i, '');

describe('BundleEndpoint.extend()', () => {
  it('gives other paths to the extension, with the connection they came on and its keying material, and reads the body', async () => {
    const { endpoint, dial } = await start();
    const asked: ExtensionRequest[] = [];
    endpoint.extend({
      accept: (request) => {
        asked.push(request);
        return {
          maxBodyBytes: 100,
          answer: async (body) => ({ status: 200, body: `{"said":${body.length}}` }),
        };
      },
    });
    const socket = await dial();
    expect(await say(socket, 'POST', '/more/1', 'hello')).toMatch(/^HTTP\/1.1 200 [^]*{"said":5}$/);
    expect(await say(socket, 'POST', '/more/2?x', '')).toMatch(/^HTTP\/1.1 200 [^]*{"said":0}$/);
    await say(await dial(), 'GET', '/more/3');
    const [first, second, third] = asked;
    expect([first?.path, first?.method, first?.tlsVersion]).toEqual(['/more/1', 'POST', 'TLSv1.3']);
    expect(first?.connection).toBe(second?.connection);
    expect(first?.connection).not.toBe(third?.connection);
    const ours = socket.exportKeyingMaterial(32, LABEL, Buffer.alloc(0));
    expect(Buffer.from(first?.exportKey(32, LABEL) ?? []).equals(ours)).toBe(true);
    expect(Buffer.from(third?.exportKey(32, LABEL) ?? []).equals(ours)).toBe(false);
  });

  it('never asks it about the bundle, and answers requests it does not accept exactly as without it (FED-23)', async () => {
    const { endpoint, dial } = await start();
    const answers = async () => [
      withoutDate(await say(await dial(), 'GET', '/other')),
      withoutDate(await say(await dial(), 'POST', '/other', 'body')),
    ];
    const without = await answers();
    const asked: string[] = [];
    endpoint.extend({ accept: ({ path }) => void asked.push(path) });
    expect(await answers()).toEqual(without);
    expect(without[0]).toContain('HTTP/1.1 404');
    for (const path of ['/', '/bundle.json', '/?x', '/bundle.json?x'])
      expect(await say(await dial(), 'GET', path)).toContain('HTTP/1.1 200');
    expect(asked).toEqual(['/other', '/other']);
    endpoint.extend(undefined);
    expect(await answers()).toEqual(without);
  });

  it('reads no more of a body than the extension wants, announced or not', async () => {
    const { endpoint, dial } = await start();
    let answered = 0;
    endpoint.extend({
      accept: () => ({
        maxBodyBytes: 10,
        answer: async () => {
          answered += 1;
          return { status: 200, body: '{}' };
        },
      }),
    });
    expect(await say(await dial(), 'POST', '/x', 'a'.repeat(10))).toContain('HTTP/1.1 200');
    expect(await say(await dial(), 'POST', '/x', '', 11)).toContain('HTTP/1.1 404');
    const chunked = await dial();
    const ended = once(chunked, 'close');
    let text = '';
    chunked.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    chunked.write('POST /x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n');
    chunked.write(`40\r\n${'b'.repeat(64)}\r\n`);
    await ended;
    expect(text).toContain('HTTP/1.1 404');
    expect(answered).toBe(1);
  });

  it('answers 500 when the extension fails, gives the reason only to the log, and continues', async () => {
    const { endpoint, dial, log } = await start();
    endpoint.extend({
      accept: () => ({
        maxBodyBytes: 10,
        answer: async () => {
          throw new Error('what nobody outside should read');
        },
      }),
    });
    const answer = await say(await dial(), 'POST', '/x', '');
    expect(answer).toContain('HTTP/1.1 500');
    expect(answer).not.toContain('nobody outside');
    expect(
      log.records.filter(({ message }) => message === 'an extension of the endpoint failed'),
    ).toHaveLength(1);
    expect(await say(await dial(), 'GET', '/')).toContain('HTTP/1.1 200');
  });
});
