import { type BenchFiles, writeBenchFiles } from './bench-files.ts';
import {
  type BenchChild,
  findProgram,
  firstLine,
  freePort,
  startProgram,
  startServer,
  untilListening,
} from './process.ts';

/** A server that listens, ours or another product's. */
export interface Running {
  readonly child: BenchChild;
  readonly port: number;
}

/** Starts one of `bench/programs` that prints the port it listens on. */
export async function startOurs(program: URL, options: object): Promise<Running> {
  const child = startProgram(program, options);
  return { child, port: (await firstLine<{ port: number }>(child)).port };
}

/** Starts another product on a free port, with the arguments that `words` makes for it; undefined where it is not installed. */
export async function startTheirs(
  name: string,
  words: (port: number) => readonly string[],
): Promise<Running | undefined> {
  const program = findProgram(name);
  if (program === undefined) return undefined;
  const port = await freePort();
  const child = startServer(program, words(port));
  await untilListening(port);
  return { child, port };
}

/** One of our servers and the product it is measured beside, both serving the same files. */
export async function startBeside(
  folder: string,
  program: URL,
  name: string,
  words: (files: BenchFiles, port: number) => readonly string[],
): Promise<
  {
    readonly files: BenchFiles;
    readonly ours: Running;
    readonly theirs: Running | undefined;
  } & AsyncDisposable
> {
  const files = await writeBenchFiles(folder);
  const ours = await startOurs(program, files);
  const theirs = await startTheirs(name, (port) => words(files, port));
  return {
    files,
    ours,
    theirs,
    [Symbol.asyncDispose]: async () => {
      await ours.child[Symbol.asyncDispose]();
      await theirs?.child[Symbol.asyncDispose]();
    },
  };
}
