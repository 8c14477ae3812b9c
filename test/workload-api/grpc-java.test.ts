import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { createMetrics, silentLog } from '../../src/platform/index.ts';
import { WorkloadServer } from '../../src/workload-api/index.ts';
import { callHeaders, firstFlight, frame } from '../../testkit/http2-bytes.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';

const opened: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function serve() {
  const folder = tempDir();
  const own = (await createTestCa({ trustDomain: 'a.example' })).bundle();
  const server = new WorkloadServer({
    own: () => own,
    foreign: () => [],
    maxStreams: 10,
    clock: new TestClock(TEST_INSTANT),
    log: silentLog,
    metrics: createMetrics({ processMetrics: false }),
  });
  const socket = folder.file('workload.sock');
  await server.start(socket, 0o600);
  opened.push(
    () => folder[Symbol.dispose](),
    () => server.stop(),
  );
  return { server, socket };
}

/** The kinds of frames on the stream of a call, up to its first message or its end. */
async function answersTo(
  socketPath: string,
  authority: string,
  settings: readonly (readonly [number, number])[],
) {
  const socket = connect(socketPath);
  opened.push(() => void socket.destroy());
  const call = callHeaders(authority, '/SpiffeWorkloadAPI/FetchX509Bundles', {
    'workload.spiffe.io': 'true',
  });
  const body = frame(0, 1, 1, Buffer.alloc(5));
  for (const bytes of [firstFlight(...settings), frame(1, 4, 1, call), body]) socket.write(bytes);
  const kinds: number[] = [];
  let bytes = Buffer.alloc(0);
  while (!kinds.includes(0) && !kinds.includes(3)) {
    const [chunk] = (await once(socket, 'data')) as [Buffer];
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
      if (bytes.readUInt32BE(5) === 1) kinds.push(bytes[3] ?? -1);
      bytes = bytes.subarray(9 + bytes.readUIntBE(0, 3));
    }
  }
  return kinds;
}

describe('WorkloadServer and the clients of gRPC for Java', () => {
  it.each([
    'localhost',
    '/run/federate/workload.sock',
    'workload api',
  ])('answers one that takes no streams and names "%s" as its authority (WLAPI-01)', async (authority) => {
    const { socket } = await serve();
    expect(await answersTo(socket, authority, [[3, 0]])).toEqual([1, 0]);
  });

  it('passes every other client to the library unchanged', async () => {
    const { socket } = await serve();
    expect(await answersTo(socket, 'localhost', [[3, 100]])).toEqual([1, 0]);
    expect(await answersTo(socket, '/run/workload.sock', [[3, 100]])).toEqual([3]);
  });

  it('survives connections that end before, in and after their first bytes', async () => {
    const { socket: path, server } = await serve();
    const flight = firstFlight([3, 0]);
    for (const length of [0, 5, flight.length - 1, flight.length]) {
      const socket = connect(path);
      await once(socket, 'connect');
      if (length > 0) socket.write(flight.subarray(0, length));
      socket.destroy();
      await once(socket, 'close');
    }
    expect(await answersTo(path, '/x', [[3, 0]])).toEqual([1, 0]);
    expect(server.serving().workloadStreams.FetchX509Bundles).toBe(1);
  });
});
