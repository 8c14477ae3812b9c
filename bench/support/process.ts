import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

/** A program on the PATH or where Debian puts servers; undefined when it is not installed. */
export function findProgram(name: string): string | undefined {
  const found = spawnSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).stdout.trim();
  return [found, `/usr/sbin/${name}`, `/usr/local/sbin/${name}`].find(
    (path) => path !== '' && existsSync(path),
  );
}

/** The note of a row whose peer is missing. */
export const NOT_INSTALLED = 'not installed: apt-get install nginx haproxy';

/** A child that is ended when the scope ends: `await using server = startProgram(…)`. */
export interface BenchChild extends AsyncDisposable {
  readonly process: ChildProcess;
  /** Seconds of processor time it has used so far, user and system, all its threads. */
  cpuSeconds(): number;
  /** Bytes of memory it holds now. */
  residentBytes(): number;
}

/** What Linux counts processor time in, on every machine this runs on. */
const TICKS_PER_SECOND = 100;

/** Starts one of `bench/programs` with options; it prints its result, or its ports, as one line of JSON (`firstLine`). */
export function startProgram(file: URL, options: object, flags: readonly string[] = []): BenchChild {
  return start(process.execPath, [...flags, fileURLToPath(file), JSON.stringify(options)], 'pipe');
}

/** Starts a server that is not ours. Its output goes nowhere: a pipe that it left open would keep us from ending. */
export function startServer(program: string, words: readonly string[]): BenchChild {
  return start(program, words, 'ignore');
}

function start(program: string, words: readonly string[], output: 'pipe' | 'ignore'): BenchChild {
  const child = spawn(program, words, {
    stdio: ['ignore', output, output === 'pipe' ? 'inherit' : 'ignore'],
  });
  return {
    process: child,
    cpuSeconds: () => processorSeconds(child.pid),
    residentBytes: () => residentBytes(child.pid),
    [Symbol.asyncDispose]: () => endChild(child, 'SIGTERM', 3000),
  };
}

/** Seconds of processor time a process has used, user and system, all its threads. */
export function processorSeconds(pid: number | undefined): number {
  // The name in brackets may hold spaces; user and system time are the 12th and 13th field after it.
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** Bytes of memory a process holds now. */
export function residentBytes(pid: number | undefined): number {
  const [, kib] = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * 1024;
}

/** Asks a child to end, and ends it after `graceMs`. */
export async function endChild(child: ChildProcess, signal: NodeJS.Signals, graceMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const exited = once(child, 'exit');
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), graceMs);
  await exited;
  clearTimeout(timer);
}

/** The first line that one of our programs prints. */
export async function firstLine<Value>({ process: child }: BenchChild): Promise<Value> {
  let text = '';
  for await (const part of child.stdout ?? []) {
    text += String(part);
    if (text.includes('\n')) return JSON.parse(text.slice(0, text.indexOf('\n'))) as Value;
  }
  throw new Error(`a program of the bench ended without a result (${child.spawnargs.slice(1, 3).join(' ')})`);
}

/** Ports of loopback that were free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await once(server.close(), 'close');
  return port;
}

/** Waits until something listens on a port of loopback, at most five seconds or as many as are given. */
export async function untilListening(port: number, seconds = 5): Promise<void> {
  for (let attempt = 0; attempt < seconds * 20; attempt += 1) {
    const socket = connect(port, '127.0.0.1');
    const open = await new Promise((resolve) => {
      socket.once('connect', () => resolve(true));
      socket.once('error', () => resolve(false));
    });
    socket.destroy();
    if (open === true) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`nothing listens on port ${port} of loopback`);
}
