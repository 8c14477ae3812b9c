import { once } from 'node:events';
import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { spiffeWorkloadService } from '../../src/grpc/index.ts';
import { createMetrics } from '../../src/platform/index.ts';
import { WorkloadServer } from '../../src/workload-api/index.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { WorkloadCaller } from '../../testkit/workload-caller.ts';

const { FetchX509Bundles } = spiffeWorkloadService;

const opened: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

async function serve() {
  const folder = tempDir();
  const clock = new TestClock(TEST_INSTANT);
  const log = createRecordingLog();
  let own = (await createTestCa({ trustDomain: 'a.example' })).bundle();
  const server = new WorkloadServer({
    own: () => own,
    foreign: () => [],
    maxStreams: 10,
    clock,
    log,
    metrics: createMetrics({ processMetrics: false }),
  });
  const socket = folder.file('run/workload.sock');
  mkdirSync(dirname(socket));
  await server.start(socket, 0o660);
  opened.push(
    () => folder[Symbol.dispose](),
    () => server.stop(),
  );
  const caller = () => {
    const made = new WorkloadCaller(socket);
    opened.push(() => made[Symbol.dispose]());
    return made;
  };
  const change = async () => {
    own = (await createTestCa({ trustDomain: 'a.example' })).bundle();
    await server.refresh();
  };
  return { server, socket, clock, log, caller, change };
}

/** Resolves once somebody new has come in: callers of one process share what is connected. */
async function connected(path: string): Promise<void> {
  const socket = connect(path);
  opened.push(() => void socket.destroy());
  await once(socket, 'connect');
}

describe('keepSocket()', () => {
  it('makes a socket again whose file was taken away, with its mode, and open connections stay', async () => {
    const { socket, clock, log, caller, change } = await serve();
    const before = caller().stream(FetchX509Bundles, {});
    await before.next();
    rmSync(socket);
    await expect(connected(socket)).rejects.toThrow('ENOENT');
    expect(await clock.untilSleeping()).toEqual([5000]);
    await clock.advance(5000);
    await clock.untilSleeping();
    expect(statSync(socket).mode & 0o777).toBe(0o660);
    await connected(socket);
    await change();
    expect((await before.next()).value).toHaveProperty('bundles');
    await before.return();
    expect(log.records.filter(({ level }) => level === 'warn')).toHaveLength(1);
  });

  it('leaves alone what another process has put there, and tries again where the folder is away', async () => {
    const { socket, clock, log, caller } = await serve();
    rmSync(socket);
    writeFileSync(socket, 'mine');
    await clock.untilSleeping();
    await clock.advance(5000);
    await clock.untilSleeping();
    expect(statSync(socket).isSocket()).toBe(false);
    renameSync(dirname(socket), `${dirname(socket)}.away`);
    await clock.advance(5000);
    await clock.untilSleeping();
    expect(log.records.filter(({ level }) => level === 'error')).toHaveLength(1);
    mkdirSync(dirname(socket));
    await clock.advance(5000);
    await clock.untilSleeping();
    await caller().first(FetchX509Bundles, {});
  });

  it('takes its file away when it stops', async () => {
    const { server, socket, clock } = await serve();
    rmSync(socket);
    await clock.untilSleeping();
    await clock.advance(5000);
    await clock.untilSleeping();
    expect(existsSync(socket)).toBe(true);
    await server.stop();
    expect(existsSync(socket)).toBe(false);
    expect(clock.waits()).toEqual([]);
  });
});
