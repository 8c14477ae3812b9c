import { spawnSync } from 'node:child_process';
import { findExecutable, firstLineOf } from '../support/program.ts';
import type { LeafFiles } from '../support/linkerd-mesh.ts';

/** Another product's verifier of certificates. */
export interface Verifier {
  readonly name: string;
  /** Who verifies with it. */
  readonly usedBy: string;
  /** What it calls itself; undefined where it is not here. */
  version(): string | undefined;
  /** Whether it lets each of these in by the anchors of a PEM file. */
  judge(pool: string, leaves: readonly LeafFiles[]): Promise<readonly boolean[]>;
}

/** A program that judges one certificate, and exits with 0 for one that it lets in. */
export function commandVerifier(options: {
  readonly name: string;
  readonly usedBy: string;
  readonly command: string;
  readonly versionWords: readonly string[];
  readonly versionPattern: RegExp;
  readonly words: (pool: string, leaf: LeafFiles) => readonly string[];
}): Verifier {
  const { name, usedBy, command, versionWords, versionPattern, words } = options;
  return {
    name,
    usedBy,
    version: () =>
      findExecutable({ variable: `FEDERATE_${command.toUpperCase()}`, command }) === undefined
        ? undefined
        : firstLineOf(command, versionWords, versionPattern),
    judge: async (pool, leaves) => leaves.map((leaf) => run(command, words(pool, leaf)).status === 0),
  };
}

/** One run of a program, to its end; it says its answers on standard output. */
export function run(
  command: string,
  words: readonly string[],
  input = '',
): { status: number | null; stdout: string } {
  return spawnSync(command, words, { input, encoding: 'utf8', timeout: 120_000 });
}

/** The lines `accepted` and `refused …` that a program of ours says, one for each certificate. */
export function verdictsIn(stdout: string, count: number): readonly boolean[] {
  const lines = stdout.trim().split('\n');
  if (lines.length !== count || !lines.every((line) => /^(accepted|refused)/.test(line)))
    throw new Error(`it did not judge every certificate: ${stdout.slice(0, 500)}`);
  return lines.map((line) => line.startsWith('accepted'));
}
