import { mkdir, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { hasCode } from '../../errors/index.ts';
import { writeDurably } from '../../platform/index.ts';
import { SimulatedMeshError } from './errors.ts';

/**
 * A JSON file (mode 0600) that follows a value in memory. Saving only marks the value. The newest
 * one is written in the background, and `written` resolves when it is on disk.
 */
export class SnapshotFile<Value> {
  readonly #path: string;
  #pending: { readonly value: Value } | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(path: string) {
    this.#path = path;
  }

  /**
   * What an earlier process left, or undefined. Throws `SimulatedMeshError` `state-malformed`; the
   * system's error otherwise.
   */
  async load(): Promise<Value | undefined> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if (hasCode(error, 'ENOENT')) return undefined;
      throw error;
    }
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new SimulatedMeshError('state-malformed', `the state in ${this.#path} is not JSON`, { cause });
    }
  }

  save(value: Value): void {
    const waiting = this.#pending !== undefined;
    this.#pending = { value };
    if (waiting) return;
    // The next caller of `written` gets the error of a failed write; the write after it starts
    // fresh.
    this.#writing = this.#writing.catch(() => {}).then(() => this.#write());
    this.#writing.catch(() => {});
  }

  /**
   * Resolves when everything saved so far is on disk. Throws the system's error when the last write
   * failed.
   */
  written(): Promise<void> {
    return this.#writing;
  }

  async #write(): Promise<void> {
    const pending = this.#pending;
    this.#pending = undefined;
    if (!pending) return;
    await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
    await writeDurably(this.#path, `${JSON.stringify(pending.value, undefined, 2)}\n`, 0o600);
  }
}
