import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/**
 * Replaces `path` by `content` so that a reader sees the old file or the new one, and a power cut
 * keeps one of them. Writes a file next to it, syncs and renames it, and syncs the folder. Throws
 * the system's own error (`ENOSPC`, `EACCES`, …), or what an iterable content throws, and leaves
 * the old file in place.
 */
export async function writeDurably(
  path: string,
  content: string | Uint8Array | AsyncIterable<string>,
  mode = 0o644,
): Promise<void> {
  const folder = dirname(path);
  const draft = join(folder, `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  try {
    const file = await open(draft, 'wx', mode);
    try {
      await file.writeFile(content);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    await rm(draft, { force: true });
    throw error;
  }
  await syncFolder(folder);
}

/** Makes renames and removals in `folder` survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
