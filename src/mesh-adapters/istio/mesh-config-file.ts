import { rm } from 'node:fs/promises';
import { z } from 'zod';
import { writeDurably } from '../../platform/index.ts';
import { MeshAdapterError } from '../contract/errors.ts';
import { readBoundedFile } from '../files/bounded-file.ts';
import { parseOwnEntries } from './own-entries.ts';
import type { RememberedConfig } from './plan.ts';

/** As much as a ConfigMap could hold, and some more. */
const MAX_BYTES = 4 * 1024 * 1024;

/**
 * A mesh config in a file that `pilot-discovery --meshConfig` watches. Because the file belongs to
 * its owner, the memory of our entries is in a second file, `<file>.federate.json`.
 */
export class MeshConfigFile {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  /** Throws `MeshAdapterError` `mesh-config-missing`, `file-unreadable`. */
  async read(): Promise<RememberedConfig> {
    const [text, memory] = await Promise.all([
      readBoundedFile(this.path, MAX_BYTES),
      readBoundedFile(this.#memoryPath, MAX_BYTES),
    ]);
    if (text === undefined)
      throw new MeshAdapterError('mesh-config-missing', `${JSON.stringify(this.path)} is not there`);
    return { text: text.toString('utf8'), memory: memory?.toString('utf8') };
  }

  /**
   * Replaces `before` with `after`. The memory names a possible entry of ours before the config is
   * written, and drops an old one only afterwards. So a crash leaves no entry without an owner.
   * Throws `MeshAdapterError` `mesh-conflict` where another writer changed the file meanwhile,
   * `file-unwritable`.
   */
  async replace(before: RememberedConfig, after: RememberedConfig): Promise<void> {
    await this.#write(this.#memoryPath, joined(before.memory, after.memory));
    const now = await readBoundedFile(this.path, MAX_BYTES);
    if (now?.toString('utf8') !== before.text)
      throw new MeshAdapterError('mesh-conflict', `${JSON.stringify(this.path)} was changed meanwhile`);
    if (after.text !== before.text) await this.#write(this.path, after.text);
    if (after.memory !== undefined) await this.#write(this.#memoryPath, after.memory);
    else await this.#attempt(this.#memoryPath, () => rm(this.#memoryPath, { force: true }));
  }

  get #memoryPath(): string {
    return `${this.path}.federate.json`;
  }

  #write(path: string, content: string): Promise<void> {
    return this.#attempt(path, () => writeDurably(path, content));
  }

  async #attempt(path: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (cause) {
      throw new MeshAdapterError('file-unwritable', `${JSON.stringify(path)} could not be written`, {
        cause,
      });
    }
  }
}

/** What we render: the rest of it is kept. */
const WRITTEN = z.looseObject({ anchors: z.array(z.unknown()).default([]) });

/**
 * Joins the fingerprints of both, so that an entry of either counts as ours. The later one
 * describes the list as it was before.
 */
function joined(before: string | undefined, after: string | undefined): string {
  const later = WRITTEN.parse(JSON.parse(after ?? '{}'));
  const known = new Set(parseOwnEntries(after).fingerprints);
  const more = [...parseOwnEntries(before).fingerprints]
    .filter((fingerprint) => !known.has(fingerprint))
    .map((anchor) => ({ anchor }));
  return JSON.stringify({ ...later, anchors: [...later.anchors, ...more] });
}
