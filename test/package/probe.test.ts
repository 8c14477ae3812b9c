import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { AdminServer } from '../../src/admin/index.ts';
import { answerHealth } from '../../src/platform/index.ts';
import { stubAdmin } from '../../testkit/admin-handlers.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const PROBE = resolve(import.meta.dirname, '../../bin/federate-probe.js');
const RECORDER = join(import.meta.dirname, '../../testkit/record-modules.ts');

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

function fileNamed(name: string): string {
  const folder = tempDir();
  stops.push(() => folder[Symbol.dispose]());
  return folder.file(name);
}

function probe(words: readonly string[], nodeOptions: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
  return new Promise<{ readonly code: number; readonly out: string; readonly err: string }>((done) => {
    execFile(
      process.execPath,
      [...nodeOptions, PROBE, ...words],
      { env: { ...process.env, ...env } },
      (error, out, err) => done({ code: typeof error?.code === 'number' ? error.code : 0, out, err }),
    );
  });
}

/** An agent's admin socket; `reason` is why it is not ready. */
async function adminSocket(reason: () => string | undefined): Promise<string> {
  const path = fileNamed('admin.sock');
  const server = new AdminServer({
    path,
    ...stubAdmin(await openTestStore(), {}, { notReady: reason }),
  });
  await server.start();
  stops.push(() => server.stop());
  return path;
}

async function httpServer(): Promise<string> {
  const server = createHttpServer((request, response) => {
    if (!answerHealth(request, response, () => 'no roots')) response.writeHead(404).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  stops.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('federate-probe', () => {
  it('ends with 0 for a ready agent, with 1 and the reason for one that is not, and distinguishes liveness', async () => {
    let reason: string | undefined;
    const socket = await adminSocket(() => reason);
    expect(await probe([socket])).toEqual({ code: 0, out: 'ready\n', err: '' });
    reason = 'the mesh has not reported its roots yet';
    expect(await probe([socket])).toEqual({
      code: 1,
      out: '',
      err: `federate-probe: ${socket}/readyz: 503 not ready: the mesh has not reported its roots yet\n`,
    });
    expect(await probe([socket, '/livez'])).toEqual({ code: 0, out: 'alive\n', err: '' });
    expect((await probe([socket, '/nothing'])).code).toBe(1);
  });

  it('checks an HTTP listener too', async () => {
    const url = await httpServer();
    expect((await probe([url, '/livez'])).code).toBe(0);
    expect(await probe([url])).toMatchObject({ code: 1, err: expect.stringContaining('no roots') });
  });

  it('fails where nothing listens, where the answer is not HTTP, and where no answer arrives', async () => {
    expect((await probe([fileNamed('none.sock')])).code).toBe(1);
    for (const answer of ['garbage\r\n\r\n', undefined]) {
      const path = fileNamed('odd.sock');
      const server = createServer((socket) => {
        socket.on('error', () => {});
        socket.resume();
        if (answer !== undefined) socket.end(answer);
      }).listen(path);
      await once(server, 'listening');
      stops.push(() => server.close());
      const { code, err } = await probe([path, '/readyz', '1']);
      expect(code).toBe(1);
      expect(err).toContain(answer === undefined ? 'no answer within 1 s' : 'the answer is not HTTP');
    }
  });

  it.each([
    [[]],
    [['a.sock', 'readyz']],
    [['a.sock', '/readyz', 'soon']],
    [['https://a.example/']],
  ])('explains itself for %j', async (words: string[]) => {
    const { code, err } = await probe(words);
    expect(code).toBe(2);
    expect(err).toContain('Usage: federate-probe');
  });

  it('loads no module but itself, so that a check costs little more than Node', async () => {
    const record = fileNamed('modules');
    const { code } = await probe([await adminSocket(() => undefined)], ['--import', RECORDER], {
      FEDERATE_TEST_MODULES: record,
    });
    expect(code).toBe(0);
    expect(
      readFileSync(record, 'utf8')
        .split('\n')
        .filter((url) => !url.endsWith('record-modules.ts')),
    ).toEqual([expect.stringMatching(/\/bin\/federate-probe\.js$/)]);
  });
});

describe('answerHealth()', () => {
  it('takes GET and HEAD only', async () => {
    const url = await httpServer();
    expect((await fetch(`${url}/livez`, { method: 'POST' })).status).toBe(405);
    expect((await fetch(`${url}/livez`, { method: 'HEAD' })).status).toBe(200);
    expect((await fetch(`${url}/livez?verbose`)).status).toBe(200);
    expect((await fetch(`${url}/other`)).status).toBe(404);
  });
});
