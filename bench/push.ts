import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { EnvoyWorld } from '../interop/support/envoy-world.ts';
import { until } from '../interop/support/until.ts';
import { createMetrics, silentLog, systemClock } from '../src/platform/index.ts';
import type { TrustBundle } from '../src/spiffe/index.ts';
import { WorkloadServer } from '../src/workload-api/index.ts';
import { tempDir } from '../testkit/temp-dir.ts';
import { createTestCa, type TestCa } from '../testkit/test-ca.ts';
import { type Bench, type BenchRow, median } from './support/measure.ts';
import { startSubscribers } from './support/envoy-subscribers.ts';
import { findProgram, startProgram } from './support/process.ts';

/** A changed bundle until every subscriber has it: proxies over SDS (until the ACK is back), workloads over their API. */
export const push: Bench = {
  name: 'push',
  async run({ quick }) {
    const peers = (await Promise.all([
      createTestCa({ trustDomain: 'b.example' }),
      createTestCa({ trustDomain: 'b.example', subject: 'CN=B2' }),
    ])) as [TestCa, TestCa];
    const rounds = quick ? 5 : 20;
    const rows: BenchRow[] = [];
    const envoy = process.env['FEDERATE_ENVOY'] ?? findProgram('envoy');
    if (envoy === undefined)
      rows.push({ what: 'to a real Envoy, until its ACK', value: '–', note: 'no envoy here' });
    else rows.push(row('to a real Envoy, until its ACK', await toEnvoy(envoy, peers, rounds)));
    for (const clients of quick ? [1, 100] : [1, 100, 1000]) {
      if (envoy !== undefined && clients > 1)
        rows.push(
          row(
            `to ${clients} streams of real Envoys, until the last ACK`,
            await toManyEnvoys(envoy, clients, peers, rounds),
          ),
        );
      rows.push(
        row(`to ${clients} SDS streams, until the last ACK`, await toMany('sds', clients, peers, rounds)),
      );
      rows.push(
        row(
          `to ${clients} Workload API streams, until the last has it`,
          await toMany('workload', clients, peers, rounds),
        ),
      );
    }
    return rows;
  },
};

function row(what: string, times: readonly number[]): BenchRow {
  const worst = Math.max(...times);
  return {
    what,
    value: `${median(times).toFixed(1)} ms`,
    note: `worst of ${times.length}: ${worst.toFixed(1)} ms`,
  };
}

async function toEnvoy(binary: string, peers: readonly [TestCa, TestCa], rounds: number): Promise<number[]> {
  using folder = tempDir();
  await using world = await EnvoyWorld.open(folder.path);
  await world.startEnvoy(binary, 'ALL');
  const times: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    world.foreign = bundleOfRound(peers, round);
    times.push(await timed(world.server));
  }
  return times;
}

/** An agent's socket to which `clients` streams may come, and the foreign bundles it gives. */
interface Served {
  readonly server: WorkloadServer;
  readonly socket: string;
  readonly folder: string;
  readonly give: (foreign: readonly TrustBundle[]) => void;
}

async function serving<Result>(clients: number, work: (served: Served) => Promise<Result>): Promise<Result> {
  using folder = tempDir();
  const own = (await createTestCa({ trustDomain: 'a.example' })).bundle();
  let foreign: readonly TrustBundle[] = [];
  const server = new WorkloadServer({
    own: () => own,
    foreign: () => foreign,
    maxStreams: clients + 10,
    clock: systemClock,
    log: silentLog,
    metrics: createMetrics({ processMetrics: false }),
  });
  const socket = folder.file('workload.sock');
  await server.start(socket, 0o600);
  try {
    return await work({ server, socket, folder: folder.path, give: (bundles) => (foreign = bundles) });
  } finally {
    await server.stop();
  }
}

function toManyEnvoys(
  binary: string,
  clients: number,
  peers: readonly [TestCa, TestCa],
  rounds: number,
): Promise<number[]> {
  return serving(clients, async (served) => {
    await using stack = new AsyncDisposableStack();
    for (const envoy of startSubscribers(binary, served, clients)) stack.use(envoy);
    await until(`${clients} subscriptions`, () => served.server.serving().sdsStreams === clients);
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      served.give(bundleOfRound(peers, round));
      times.push(await timed(served.server));
    }
    return times;
  });
}

function toMany(
  kind: 'sds' | 'workload',
  clients: number,
  peers: readonly [TestCa, TestCa],
  rounds: number,
): Promise<number[]> {
  return serving(clients, async ({ server, socket, give }) => {
    await using load = startProgram(new URL('./programs/push-load.ts', import.meta.url), {
      socket,
      clients,
      kind,
    });
    if (!load.process.stdout) throw new TypeError('the load has no output');
    const lines = createInterface({ input: load.process.stdout })[Symbol.asyncIterator]();
    await lines.next();
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      give(bundleOfRound(peers, round));
      if (kind === 'sds') times.push(await timed(server));
      else {
        const start = performance.now();
        await server.refresh();
        await lines.next();
        times.push(performance.now() - start);
      }
    }
    return times;
  });
}

function bundleOfRound(peers: readonly [TestCa, TestCa], round: number): TrustBundle[] {
  return [(round % 2 === 0 ? peers[0] : peers[1]).bundle()];
}

/** Milliseconds from a change until every proxy has acknowledged it. */
async function timed(server: WorkloadServer): Promise<number> {
  const start = performance.now();
  await server.refresh();
  while (!server.serving().proxySecrets.every(({ current }) => current)) await sleep(1);
  return performance.now() - start;
}
