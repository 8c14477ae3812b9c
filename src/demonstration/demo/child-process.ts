import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { installation } from '../../platform/index.ts';
import { CodedError } from '../../spiffe/index.ts';

const ENTRY = fileURLToPath(new URL('bin/federate.js', installation.folder));

/** The demonstration could not go on. */
export class DemoError extends CodedError<'demo-process-ended' | 'demo-timeout' | 'demo-check-failed'> {}

/**
 * A process of the demonstration: `federate` with these arguments, or another program. Its log goes
 * to a file.
 */
export class FederateProcess {
  readonly name: string;
  readonly logFile: string;
  readonly #child: ChildProcess;

  constructor(name: string, args: readonly string[], logFile: string, program?: string) {
    this.name = name;
    this.logFile = logFile;
    const log = openSync(logFile, 'a');
    this.#child = spawn(program ?? process.execPath, program === undefined ? [ENTRY, ...args] : args, {
      stdio: ['ignore', log, log],
    });
    closeSync(log);
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** Throws `DemoError` `demo-process-ended` with the last lines of its log when it has ended. */
  checkRunning(): void {
    if (this.running) return;
    const last = readFileSync(this.logFile, 'utf8').trim().split('\n').slice(-3).join('\n');
    throw new DemoError(
      'demo-process-ended',
      `the process ${this.name} ended; its log is ${this.logFile} and ends with: ${last}`,
    );
  }

  signal(signal: NodeJS.Signals): void {
    if (this.running) this.#child.kill(signal);
  }

  /** Asks it to stop, and kills it when it has not stopped after `graceMs`. */
  async stop(graceMs = 10_000): Promise<void> {
    if (!this.running) return;
    const exited = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    const force = setTimeout(() => this.#child.kill('SIGKILL'), graceMs);
    await exited;
    clearTimeout(force);
  }
}

/** The output of a `federate` verb. */
export interface VerbResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one verb of the command to its end, as a user would type it. */
export function runVerb(args: readonly string[]): Promise<VerbResult> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [ENTRY, ...args],
      { timeout: 60_000, maxBuffer: 16 * 1024 * 1024 },
      (error, stdout, stderr) => {
        const exitCode = error ? (typeof error.code === 'number' ? error.code : 1) : 0;
        resolve({ exitCode, stdout, stderr });
      },
    );
  });
}
