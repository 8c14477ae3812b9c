import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

const PATIENCE_MS = 30_000;
/** What a program said last is told when it failed, and no more. */
const MAX_KEPT = 100_000;

/** A program that runs until the scope ends: `await using server = new Child(…)`. */
export class Child {
  readonly #process: ChildProcess;
  readonly #closed: Promise<unknown>;
  #out = '';
  #err = '';

  constructor(executable: string, words: readonly string[], env: NodeJS.ProcessEnv = {}) {
    this.#process = spawn(executable, words, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.#closed = once(this.#process, 'close');
    this.#process.stdout?.on('data', (part: Buffer) => (this.#out = (this.#out + part).slice(-MAX_KEPT)));
    this.#process.stderr?.on('data', (part: Buffer) => (this.#err = (this.#err + part).slice(-MAX_KEPT)));
  }

  get out(): string {
    return this.#out;
  }

  get err(): string {
    return this.#err;
  }

  /** The lines of JSON it has printed so far. */
  get lines(): readonly Record<string, unknown>[] {
    return this.#out
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  /** Resolves with the exit code when it has ended by itself. */
  async ended(): Promise<number | null> {
    await this.#closed;
    return this.#process.exitCode;
  }

  /** Resolves once `condition` holds. Throws with what the program said when it has ended, or after half a minute. */
  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS;
    while (!(await condition())) {
      if (this.#process.exitCode !== null)
        throw new Error(`it ended before ${what}: ${this.#err.slice(-2000)}`);
      if (performance.now() > deadline)
        throw new Error(`waited in vain for ${what}: ${this.#err.slice(-2000)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Makes it stand still, or go on. */
  hold(still: boolean): void {
    this.#process.kill(still ? 'SIGSTOP' : 'SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.hold(false);
    this.#process.kill('SIGTERM');
    const patience = setTimeout(() => this.#process.kill('SIGKILL'), 5000);
    await this.#closed;
    clearTimeout(patience);
  }
}
