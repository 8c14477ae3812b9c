import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  findProgram,
  firstLine,
  freePort,
  NOT_INSTALLED,
  runLoad,
  startChild,
  untilListening,
} from './support/child.ts';
import { type Bench, type BenchRow, interleave } from './support/measure.ts';

const ENTRY = new URL('../bin/federate.js', import.meta.url).pathname;

/** The SNI gateway beside HAProxy doing the same, with its default buffers and with 256 KiB: bulk, connections, latency. */
export const gateway: Bench = {
  name: 'gateway',
  async run({ quick }) {
    const folder = mkdtempSync(join(tmpdir(), 'federate-bench-'));
    try {
      return [...(await bulkRows(folder, quick)), ...(await connectionRows(folder, quick))];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function bulkRows(folder: string, quick: boolean): Promise<BenchRow[]> {
  await using upstream = await startUpstream(quick ? 500 : 2000);
  await using ours = await startOurs(folder, upstream.port);
  const load = async (port: number) =>
    (await runLoad<{ megabytesPerSecond: number }>('bulk-load', { port })).megabytesPerSecond;
  const rows: BenchRow[] = [];
  for (const [name, bufferBytes, target] of [
    ['its default buffers', 16_384, 1.4],
    ['256 KiB buffers', 262_144, 0.9],
  ] as const) {
    await using theirs = await startHaproxy(folder, upstream.port, bufferBytes);
    const what = `gateway bulk, HAProxy with ${name}`;
    if (!theirs) {
      rows.push({ what, value: `${(await load(ours.port)).toFixed(0)} MB/s`, note: NOT_INSTALLED });
      continue;
    }
    await load(ours.port);
    const { a, b, ratio } = await interleave(
      quick ? 2 : 5,
      () => load(ours.port),
      () => load(theirs.port),
    );
    const note = `${a.toFixed(0)} MB/s against ${b.toFixed(0)} MB/s`;
    rows.push({
      what,
      value: `${ratio.toFixed(2)} of HAProxy`,
      target: `≥ ${target}`,
      reached: ratio >= target,
      note,
    });
  }
  return rows;
}

async function connectionRows(folder: string, quick: boolean): Promise<BenchRow[]> {
  await using upstream = await startUpstream(0);
  await using ours = await startOurs(folder, upstream.port);
  await using theirs = await startHaproxy(folder, upstream.port, 16_384);
  const seconds = quick ? 1 : 3;
  const medians = { ours: 0, theirs: 0 };
  const load = async (port: number, whose: keyof typeof medians) => {
    const result = await runLoad<{ perSecond: number; medianMs: number }>('bulk-load', { port, seconds });
    medians[whose] = result.medianMs;
    return result.perSecond;
  };
  const what = 'gateway connections per second';
  if (!theirs)
    return [{ what, value: `${(await load(ours.port, 'ours')).toFixed(0)}/s`, note: NOT_INSTALLED }];
  await load(ours.port, 'ours');
  const { a, b, ratio } = await interleave(
    quick ? 2 : 3,
    () => load(ours.port, 'ours'),
    () => load(theirs.port, 'theirs'),
  );
  const latency = medians.ours / medians.theirs;
  return [
    {
      what,
      value: `${ratio.toFixed(2)} of HAProxy`,
      target: '≥ 0.7',
      reached: ratio >= 0.7,
      note: `${a.toFixed(0)}/s against ${b.toFixed(0)}/s`,
    },
    {
      what: 'gateway, time to the first byte, median',
      value: `${latency.toFixed(2)} × HAProxy`,
      target: '≤ 1.3',
      reached: latency <= 1.3,
      note: `${medians.ours.toFixed(2)} ms against ${medians.theirs.toFixed(2)} ms under load`,
    },
  ];
}

async function startUpstream(megabytes: number) {
  const file = new URL('./support/upstream-server.ts', import.meta.url).pathname;
  const child = startChild(process.execPath, [file, JSON.stringify({ megabytes })]);
  return { ...child, port: (await firstLine<{ port: number }>(child)).port };
}

async function startOurs(folder: string, upstreamPort: number) {
  const port = await freePort();
  writeFileSync(join(folder, 'routes.yaml'), `up.example: 127.0.0.1:${upstreamPort}\n`);
  writeFileSync(
    join(folder, 'gateway.yaml'),
    `listen: 127.0.0.1:${port}\nroutes_file: routes.yaml\nlog_level: error\nmax_connections_per_address: 10000\n`,
  );
  const child = startChild(process.execPath, [ENTRY, 'gateway', '--config', join(folder, 'gateway.yaml')]);
  await untilListening(port);
  return { ...child, port };
}

async function startHaproxy(folder: string, upstreamPort: number, bufferBytes: number) {
  const program = findProgram('haproxy');
  if (!program) return undefined;
  const port = await freePort();
  const file = join(folder, `haproxy-${bufferBytes}.cfg`);
  writeFileSync(
    file,
    `global
  nbthread 1
  tune.bufsize ${bufferBytes}
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
frontend f
  bind 127.0.0.1:${port}
  tcp-request inspect-delay 5s
  tcp-request content accept if { req_ssl_hello_type 1 }
  use_backend b if { req_ssl_sni -i up.example }
backend b
  server s 127.0.0.1:${upstreamPort}
`,
  );
  const child = startChild(program, ['-f', file, '-db']);
  await untilListening(port);
  return { ...child, port };
}
