import type { ServerResponse } from 'node:http';
import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createConsulAdapter, type MeshAdapter } from '../../../src/mesh-adapters/index.ts';
import { silentLog, systemRandom } from '../../../src/platform/index.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { createTestCa } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';
import { untilHealed } from '../until.ts';
import { until } from '../../../testkit/until.ts';
import { FakeCluster, type FakeRequest } from './fake-cluster.ts';

const ROOTS = '/v1/connect/ca/roots';

let cluster: FakeCluster;
let clock: TestClock;
let folder: ReturnType<typeof tempDir>;
let adapter: MeshAdapter;
let ended: AbortController;
let reported: string[][];
let following: Promise<void>;

beforeEach(async () => {
  cluster = await FakeCluster.start();
  clock = new TestClock(new Date('2030-01-01T12:00:00Z'));
  folder = tempDir();
  writeFileSync(folder.file('token'), 'good\n');
  adapter = createConsulAdapter({
    address: cluster.url,
    tokenFile: folder.file('token'),
    clock,
    random: systemRandom,
    log: silentLog,
  });
  ended = new AbortController();
  reported = [];
});
afterEach(async () => {
  ended.abort();
  await following;
  await adapter.stop();
  await cluster[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

function follow(): void {
  following = (async () => {
    for await (const { roots } of adapter.watchOwnTrust(ended.signal))
      reported.push(roots.map(({ keyFingerprint }) => keyFingerprint));
  })();
}

const asked = () => cluster.requestsTo(ROOTS).map(({ index }) => index);

/** Answers every request for the roots as `answer` does, the others in the ordinary way. */
function answerRoots(answer: (response: ServerResponse, request: FakeRequest) => void): void {
  cluster.answer = (request, response) => {
    if (request.path !== ROOTS) return false;
    answer(response, request);
    return true;
  };
}

describe('readOwnTrust() of Consul', () => {
  it('waits by blocking query at the last reported index, and learns of the next change at once', async () => {
    let release: (() => void) | undefined;
    const next = await createTestCa({ trustDomain: 'fake.consul' });
    answerRoots((response, { index }) => {
      const end = (reported: string, cas = [cluster.ca]) => {
        response.setHeader('x-consul-index', reported);
        response.end(JSON.stringify(cluster.roots(cas)));
      };
      if (index === null) end('41');
      else if (index === '41') release = () => end('42', [cluster.ca, next]);
    });
    follow();
    await until(() => release !== undefined, 'the blocking query');
    expect(reported).toEqual([[cluster.ca.authority.keyFingerprint]]);
    release?.();
    await until(() => asked().length === 3, 'the next query');
    expect(asked()).toEqual([null, '41', '42']);
    expect(reported[1]).toHaveLength(2);
    expect(adapter.status()).toMatchObject({ connected: true });
  });

  it.each([
    ['goes backwards', '3'],
    ['is 0', '0'],
    ['is missing', undefined],
    ['is not a number', 'x'],
  ])('starts again from 0 when the index %s, takes the roots of that answer, and does not spin', async (_what, second) => {
    const next = await createTestCa({ trustDomain: 'fake.consul' });
    answerRoots((response, { index }) => {
      const first = asked().length === 1;
      const indexNow = first ? '41' : second;
      if (indexNow !== undefined) response.setHeader('x-consul-index', indexNow);
      if (index === '3') return;
      response.end(JSON.stringify(cluster.roots(first ? [cluster.ca] : [next])));
    });
    follow();
    await until(() => reported.length === 2, 'the second roots');
    expect(reported[1]).toEqual([next.authority.keyFingerprint]);
    await clock.advance(60_000);
    await until(() => asked().length > 2, 'the third query');
    expect(asked().slice(0, 3)).toEqual([null, '41', null]);
    // With pauses that double to half a minute, a minute has room for this many only.
    expect(asked().length).toBeLessThan(14);
  });

  it.each([
    ['403', 'mesh-forbidden', (response: ServerResponse) => response.writeHead(403).end('Permission denied')],
    [
      '500',
      'mesh-unavailable',
      (response: ServerResponse) => response.writeHead(500).end('No cluster leader'),
    ],
    [
      'half a message',
      'mesh-unreachable',
      (response: ServerResponse) => {
        response.writeHead(200, { 'content-length': '1000' });
        response.write('{"TrustDomain":', () => response.destroy());
      },
    ],
    ['no JSON', 'mesh-answer-malformed', (response: ServerResponse) => response.end('<html>')],
    [
      'more bytes than are allowed',
      'mesh-answer-malformed',
      (response: ServerResponse) => response.end(Buffer.alloc(9 * 1024 * 1024, 32)),
    ],
  ])('reports an answer of %s as %s, keeps what it had, and recovers', async (_what, code, answer) => {
    let broken = false;
    answerRoots((response, { index }) => {
      if (broken) answer(response);
      else if (index === null) {
        response.setHeader('x-consul-index', '7');
        response.end(JSON.stringify(cluster.roots()));
        // The next blocking query is the one that fails.
        broken = reported.length === 0;
      }
    });
    follow();
    await until(() => adapter.status().code === code, `the code ${code}`);
    expect(adapter.status()).toMatchObject({ connected: false, code });
    expect(reported).toHaveLength(1);
    answerRoots((response) => {
      response.setHeader('x-consul-index', '9');
      response.end(JSON.stringify(cluster.roots()));
    });
    await untilHealed(clock, () => adapter.status().connected, 'the recovery');
    expect(reported).toHaveLength(1);
  });

  it('gives a cluster that does not answer 15 s, and one that holds a blocking query too long a little more than its wait', async () => {
    answerRoots(() => {});
    follow();
    await until(() => asked().length === 1, 'the query');
    await clock.advance(14_999);
    expect(adapter.status()).toMatchObject({ code: 'not-contacted' });
    await clock.advance(1);
    await until(() => adapter.status().code === 'mesh-unreachable', 'the end of the first query');
    answerRoots((response, { index }) => {
      if (index !== null) return;
      response.setHeader('x-consul-index', '7');
      response.end(JSON.stringify(cluster.roots()));
    });
    // The pause after a first failure; then the clock stands still, because the time of the query
    // counts from its beginning.
    await clock.untilSleeping();
    await clock.advance(500);
    await until(() => asked().at(-1) === '7', 'the blocking query');
    expect(adapter.status()).toMatchObject({ connected: true });
    await clock.advance(330_000);
    expect(adapter.status()).toMatchObject({ connected: true });
    // In steps shorter than the pause before the next try, which would be the end of it.
    const late = await untilHealed(
      clock,
      () => adapter.status().code === 'mesh-unreachable',
      'the end of the blocking query',
    );
    expect(late).toBeLessThanOrEqual(4000);
    await untilHealed(clock, () => asked().at(-1) === '7', 'the next blocking query');
    expect(asked().at(-2)).toBeNull();
  });

  it('is refused without a good token (403), reports Consul’s message, and recovers when the token file is good again', async () => {
    cluster.answer = ({ path, token }, response) => {
      if (path !== '/v1/peerings' || token === 'good') return false;
      response.writeHead(403).end("Permission denied: token lacks permission 'peering:read'");
      return true;
    };
    following = Promise.resolve();
    await expect(adapter.applyForeignTrust([], ended.signal)).resolves.toEqual([]);
    writeFileSync(folder.file('token'), 'expired');
    follow();
    await until(() => reported.length === 1, 'the roots, which need no token');
    const refused = adapter.applyForeignTrust([], ended.signal);
    await expect(refused).rejects.toMatchObject({
      code: 'mesh-forbidden',
      message: expect.stringContaining('peering:read'),
    });
    await expect(refused).rejects.not.toThrow(/expired/);
    // That the roots can be read does not hide it.
    expect(adapter.status()).toMatchObject({ connected: false, code: 'mesh-forbidden' });
    writeFileSync(folder.file('token'), 'good');
    await adapter.applyForeignTrust([], ended.signal);
    expect(adapter.status()).toMatchObject({ connected: true });
  });
});
