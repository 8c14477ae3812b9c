import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { tempDir } from '../../testkit/temp-dir.ts';
import { median } from './measure.ts';

/** What a run of Node.js to its end took. */
export interface ShortRun {
  readonly ms: number;
  /** The most memory that it held, in bytes. */
  readonly peakBytes: number;
}

/** Writes the peak of the process's own memory at its end. The peak that the parent reads counts the parent's memory too. */
const WRITE_PEAK = `process.on('exit', () => require('node:fs').writeFileSync(process.env.FEDERATE_BENCH_PEAK, /VmHWM:\\s+(\\d+)/.exec(require('node:fs').readFileSync('/proc/self/status', 'utf8'))[1]))`;

/** The medians of `rounds` runs of each command by Node.js, in turn; the first round does not count. */
export async function shortRuns<Name extends string>(
  rounds: number,
  commands: Readonly<Record<Name, readonly string[]>>,
): Promise<Record<Name, ShortRun>> {
  using folder = tempDir();
  const preload = folder.file('peak.cjs');
  writeFileSync(preload, WRITE_PEAK);
  const names = Object.keys(commands) as Name[];
  const seen = new Map<Name, ShortRun[]>(names.map((name) => [name, []]));
  for (let round = 0; round <= rounds; round += 1) {
    for (const name of names) {
      const ms = await timed(commands[name], {});
      const peak = folder.file('peak');
      await timed(['--require', preload, ...commands[name]], { FEDERATE_BENCH_PEAK: peak });
      if (round > 0) seen.get(name)?.push({ ms, peakBytes: Number(readFileSync(peak, 'utf8')) * 1024 });
    }
  }
  return Object.fromEntries(
    names.map((name) => {
      const runs = seen.get(name) ?? [];
      return [
        name,
        { ms: median(runs.map(({ ms }) => ms)), peakBytes: median(runs.map(({ peakBytes }) => peakBytes)) },
      ];
    }),
  ) as Record<Name, ShortRun>;
}

async function timed(words: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  const start = performance.now();
  const child = spawn(process.execPath, [...words], { stdio: 'ignore', env: { ...process.env, ...env } });
  await once(child, 'exit');
  return performance.now() - start;
}
