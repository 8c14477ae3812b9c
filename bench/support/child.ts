import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type AddressInfo, connect } from 'node:net';

/** A program on the PATH or where Debian puts servers; undefined when it is not installed. */
export function findProgram(name: string): string | undefined {
  const found = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim();
  return [found, `/usr/sbin/${name}`, `/usr/local/sbin/${name}`].find(
    (path) => path !== '' && existsSync(path),
  );
}

export const NOT_INSTALLED = 'not installed: apt-get install nginx haproxy';

/** A child that ends when the scope ends: `await using server = startChild(…)`. */
export interface BenchChild extends AsyncDisposable {
  readonly process: ChildProcess;
  /** Seconds of processor time it has used so far, user and system. */
  cpuSeconds(): number;
  /** Bytes of memory it holds now. */
  residentBytes(): number;
}

const CLOCK_TICKS = 100;

/** Starts a program, in a process group of its own, that talks to loopback only. */
export function startChild(
  program: string,
  words: readonly string[],
  env: NodeJS.ProcessEnv = {},
): BenchChild {
  const child = spawn(program, words, {
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
    env: { ...process.env, ...env },
  });
  return {
    process: child,
    cpuSeconds: () => groupOf(child.pid ?? 0).reduce((sum, pid) => sum + cpuSecondsOf(pid), 0),
    residentBytes: () =>
      Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) * 1024,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      // The whole group: servers leave workers behind, which would keep our end of the pipe open.
      process.kill(-(child.pid ?? 0), 'SIGKILL');
      await exited;
    },
  };
}

/** A process and its children: nginx works in another process than the one we started. */
function groupOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return [pid, ...(children === '' ? [] : children.split(' ').map(Number))];
}

function cpuSecondsOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS;
}

/** The first line a child prints, as JSON: how the children here hand over their ports and figures. */
export async function firstLine<Value>(child: BenchChild): Promise<Value> {
  let text = '';
  for await (const part of child.process.stdout ?? []) {
    text += String(part);
    if (text.includes('\n')) break;
  }
  return JSON.parse(text.split('\n')[0] ?? '') as Value;
}

/** Runs a load generator of `bench/programs` to its end; what it prints is its result. */
export async function runLoad<Result>(name: string, options: object): Promise<Result> {
  const file = new URL(`../programs/${name}.ts`, import.meta.url).pathname;
  await using child = startChild(process.execPath, [file, JSON.stringify(options)]);
  return await firstLine<Result>(child);
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await once(server.close(), 'close');
  return port;
}

/** Waits until something listens on a port of loopback, at most five seconds. */
export async function untilListening(port: number): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const socket = connect(port, '127.0.0.1');
    const open = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (open === true) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on port ${port}`);
}
