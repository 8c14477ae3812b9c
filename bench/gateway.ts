import { writeFileSync } from 'node:fs';
import { tempDir } from '../testkit/temp-dir.ts';
import { type Running, startOurs, startTheirs } from './support/beside.ts';
import { firstLine, NOT_INSTALLED, startProgram } from './support/process.ts';
import { compareCosts, costOf, type LoadResult, textOfCosts } from './support/load.ts';
import { type Bench, type BenchRow, median } from './support/measure.ts';

interface Ports {
  readonly bulk: number;
  readonly short: number;
  readonly echo: number;
}

const MIB = 1024 * 1024;
const LOAD = new URL('./programs/tcp-load.ts', import.meta.url);

/** The gateway in bulk, by connections, and by the time it adds, beside HAProxy as it comes and with buffers of 256 KiB. */
export const gateway: Bench = {
  name: 'gateway',
  async run({ quick }) {
    using folder = tempDir();
    const bulkBytes = (quick ? 256 : 512) * MIB;
    await using upstreams = startProgram(new URL('./programs/upstreams.ts', import.meta.url), { bulkBytes });
    const ports = await firstLine<Ports>(upstreams);
    const routes = Object.fromEntries(
      Object.entries(ports).map(([name, at]) => [`${name}.example`, `127.0.0.1:${at}`]),
    );
    const ours = await startOurs(new URL('./programs/gateway-server.ts', import.meta.url), routes);
    await using _ours = ours.child;
    const startHaproxy = (name: string, globals: string): Promise<Running | undefined> =>
      startTheirs('haproxy', (port) => {
        const file = folder.file(`${name}.cfg`);
        writeFileSync(file, haproxyConfig(ports, port, globals));
        return ['-db', '-f', file];
      });
    const plain = await startHaproxy('default', '');
    await using _plain = plain?.child;
    const large = await startHaproxy('256k', '  tune.bufsize 262144\n');
    await using _large = large?.child;

    const rounds = quick ? 1 : 5;
    const cost = (running: Running, kind: 'bulk' | 'short') => () =>
      costOf(running.child, LOAD, {
        kind,
        port: running.port,
        connections: kind === 'bulk' ? 2 : 16,
        transfers: quick ? 1 : 2,
        bytes: bulkBytes,
        seconds: quick ? 1 : 3,
      });
    const rows: BenchRow[] = [];
    for (const [what, kind, other, name, target] of [
      ['gateway, a MiB in bulk', 'bulk', plain, 'HAProxy', 1.4],
      ['gateway, a MiB in bulk', 'bulk', large, 'HAProxy 256K', 0.9],
      ['gateway, connections per second', 'short', plain, 'HAProxy', 0.7],
    ] as const) {
      const compared = await compareCosts(rounds, cost(ours, kind), other && cost(other, kind));
      const { a, b } = compared;
      // Each by what its target is stated in; the note tells both.
      const ratio = kind === 'bulk' ? compared.ratio : compared.rateRatio;
      rows.push({
        what,
        value: b ? `${ratio.toFixed(2)} of ${name}` : `${a.cpuMicroseconds.toFixed(0)} µs`,
        ...(b ? { target: `≥ ${target}`, reached: ratio >= target } : {}),
        note: textOfCosts(compared, NOT_INSTALLED),
      });
    }
    return [...rows, ...(await roundTrips(ours, plain, ports.echo, { rounds, seconds: quick ? 0.5 : 2 }))];
  },
};

/**
 * A round trip of 64 bytes, at the median: what the way over a gateway adds, and what an import that is reached
 * directly saves (docs/services.md, "Without the gateway").
 */
async function roundTrips(
  ours: Running,
  theirs: Running | undefined,
  direct: number,
  { rounds, seconds }: { readonly rounds: number; readonly seconds: number },
): Promise<readonly BenchRow[]> {
  const p50 = async (port: number) => {
    await using load = startProgram(LOAD, {
      kind: 'echo',
      port,
      connections: 1,
      transfers: 0,
      bytes: 0,
      seconds,
    });
    const result = await firstLine<LoadResult & { readonly p50?: number }>(load);
    if (result.failures > 0 || result.p50 === undefined)
      throw new Error(`pings failed: ${result.firstFailure}`);
    return result.p50;
  };
  const added: { ours: number; theirs: number; saved: number; direct: number }[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const bare = await p50(direct);
    const whole = await p50(ours.port);
    const our = whole - bare;
    added.push({
      direct: bare,
      saved: bare / whole,
      ours: our,
      theirs: theirs ? (await p50(theirs.port)) - bare : Number.NaN,
    });
  }
  const ourMedian = median(added.map((each) => each.ours));
  const saved: BenchRow = {
    what: 'a round trip by the direct path, p50',
    value: `${median(added.map((each) => each.saved)).toFixed(2)} of the gateway path`,
    note: `${median(added.map(({ direct }) => direct)).toFixed(0)} µs; the gateway adds ${ourMedian.toFixed(0)} µs`,
  };
  const what = 'gateway, latency added to a round trip, p50';
  if (!theirs) {
    const note = `nothing to compare with, ${NOT_INSTALLED}`;
    return [{ what, value: `${ourMedian.toFixed(0)} µs`, note }, saved];
  }
  const ratio = median(added.map((each) => each.ours / each.theirs));
  const beside: BenchRow = {
    what,
    value: `${ratio.toFixed(2)} of HAProxy`,
    target: '≤ 1.3',
    reached: ratio <= 1.3,
    note: `${ourMedian.toFixed(0)} µs; the other: ${median(added.map((each) => each.theirs)).toFixed(0)} µs`,
  };
  return [beside, saved];
}

function haproxyConfig(ports: Ports, port: number, globals: string): string {
  const names = Object.entries(ports);
  return `global
  nbthread 1
${globals}defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend f
  bind 127.0.0.1:${port}
  tcp-request inspect-delay 5s
  tcp-request content accept if { req_ssl_hello_type 1 }
${names.map(([name]) => `  use_backend ${name} if { req_ssl_sni -i ${name}.example }\n`).join('')}
${names.map(([name, at]) => `backend ${name}\n  server s 127.0.0.1:${at}\n`).join('')}`;
}
