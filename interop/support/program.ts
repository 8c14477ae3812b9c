import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** One thing that has to work together with another program. Rejects with what did not. */
export interface InteropCheck {
  readonly name: string;
  readonly run: (executable: string) => Promise<void>;
}

/** Another product's program, and what is checked with it: checks of ours, or a file of tests. Each is one file of `interop/programs`. */
export interface InteropProgram {
  readonly name: string;
  /** An environment variable that names the executable; else it is looked for on the PATH. */
  readonly variable: string;
  /** What it is called on the PATH. */
  readonly command: string;
  /** Makes the executable ready where that takes more than finding it; undefined: it cannot be had here. */
  prepare?(found: string): string | undefined;
  /** What it calls itself. */
  version(executable: string): string;
  /** How to get it, for people. Nothing here downloads anything. */
  readonly install: string;
  readonly checks?: readonly InteropCheck[];
  /** Tests in `test/interop`, and the variables in which they look for the executable and what it needs beside it. */
  readonly suite?: {
    readonly file: string;
    readonly env: (executable: string) => Readonly<Record<string, string>> | undefined;
  };
}

/** Where the program is: what its variable says, else the PATH; undefined when it is nowhere. */
export function findExecutable({
  variable,
  command,
}: Pick<InteropProgram, 'variable' | 'command'>): string | undefined {
  const named = process.env[variable];
  const places = named
    ? [named]
    : (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, command));
  return places.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** The first line a program prints with these words, or what stands in `pattern`'s first group. */
export function firstLineOf(executable: string, words: readonly string[], pattern = /^(.*)$/m): string {
  const { stdout, stderr } = spawnSync(executable, words, { encoding: 'utf8', timeout: 20_000 });
  return pattern.exec(`${stdout}${stderr}`)?.[1]?.trim() ?? 'unknown';
}
