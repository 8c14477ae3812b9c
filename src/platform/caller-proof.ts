import { open, lstat, readdir, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Random } from './random.ts';

/**
 * Node cannot ask a Unix socket who is at its other end (`SO_PEERCRED`). The owner of a new file is
 * as good: only the kernel sets it. The caller makes an empty file with an unguessable name next
 * to the socket, and sends the name; the server reads the owner and removes the file.
 */
const NAME = /^[0-9a-f]{32}$/;
const SUFFIX = '.caller';

/** A file that proves who calls. */
export interface CallerProof {
  readonly name: string;
  /** Removes the file, if the server has not. */
  end(): Promise<void>;
}

/** Makes a proof next to the socket; undefined where this user may not write in its folder. */
export async function offerCallerProof(socketPath: string, random: Random): Promise<CallerProof | undefined> {
  const name = Buffer.from(random.bytes(16)).toString('hex');
  const path = pathOf(socketPath, name);
  try {
    await (await open(path, 'wx', 0o600)).close();
  } catch {
    return undefined;
  }
  return { name, end: () => rm(path, { force: true }).catch(() => {}) };
}

/**
 * The user ID that the proof of that name shows, and removes the file. Undefined where it shows
 * none: another kind of file, one with content or with a second name.
 */
export async function provedCaller(socketPath: string, name: string): Promise<number | undefined> {
  if (!NAME.test(name)) return undefined;
  const path = pathOf(socketPath, name);
  try {
    const found = await lstat(path);
    return found.isFile() && found.nlink === 1 && found.size === 0 ? found.uid : undefined;
  } catch {
    return undefined;
  } finally {
    await rm(path, { force: true }).catch(() => {});
  }
}

/** Removes what callers left that ended in the middle of a call. Never rejects. */
export async function clearCallerProofs(socketPath: string): Promise<void> {
  const [folder, start] = [dirname(socketPath), `${basename(socketPath)}.`];
  const names = await readdir(folder).catch(() => []);
  for (const each of names) {
    const isProof =
      each.startsWith(start) && each.endsWith(SUFFIX) && NAME.test(each.slice(start.length, -SUFFIX.length));
    if (isProof) await rm(join(folder, each), { force: true }).catch(() => {});
  }
}

function pathOf(socketPath: string, name: string): string {
  return `${socketPath}.${name}${SUFFIX}`;
}
