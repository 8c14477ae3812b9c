import { constants, existsSync } from 'node:fs';
import { access, chmod, mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { writeDurably } from '../../platform/index.ts';
import { InitError } from './answers.ts';

/** One file that is to be in the folder. */
export interface PlannedFile {
  readonly name: string;
  readonly text: string;
  readonly mode: number;
}

/**
 * Makes the folder with mode 0700 where it is missing. Throws `InitError` `init-folder-unusable`
 * where it cannot be made or written. Returns whether it was made.
 */
export async function prepareFolder(folder: string): Promise<boolean> {
  try {
    const first = await mkdir(folder, { recursive: true, mode: 0o700 });
    if (!(await stat(folder)).isDirectory()) throw new TypeError('it is not a folder');
    await access(folder, constants.W_OK | constants.X_OK);
    return first !== undefined;
  } catch (cause) {
    const { code, message } = cause instanceof Error ? (cause as NodeJS.ErrnoException) : { message: '' };
    const why =
      code === 'EEXIST' || code === 'ENOTDIR'
        ? 'a file stands in its place'
        : code === 'EACCES' || code === 'EROFS' || code === 'EPERM'
          ? 'this user has no right to write there'
          : message;
    throw new InitError(
      'init-folder-unusable',
      `the folder ${JSON.stringify(folder)} cannot be used: ${why}`,
      {
        cause,
      },
    );
  }
}

/**
 * Refuses files that are there already. Throws `InitError` `init-exists` with all their names.
 */
export function refuseExisting(folder: string, names: readonly string[]): void {
  const found = names.filter((name) => existsSync(join(folder, name)));
  if (found.length === 0) return;
  throw new InitError(
    'init-exists',
    `${found.map((name) => JSON.stringify(join(folder, name))).join(' and ')} ${found.length === 1 ? 'is' : 'are'} there already; nothing was written`,
  );
}

/**
 * Writes all files but the last, calls `check`, and then writes the last one, which makes the folder
 * count. Each is written as a whole or not at all. When anything fails, the new files of this call
 * go again, and what was there before a failed `check` may only have been renewed. Rejects with what
 * `check` throws, or with the system's error as `InitError` `init-folder-unusable`.
 */
export async function writeFiles(
  folder: string,
  files: readonly PlannedFile[],
  check: () => Promise<void>,
): Promise<void> {
  const made: string[] = [];
  const write = async ({ name, text, mode }: PlannedFile) => {
    const path = join(folder, name);
    if (!existsSync(path)) made.push(path);
    await writeDurably(path, text, mode);
    // A file that stood there may have had another mode.
    await chmod(path, mode);
  };
  try {
    for (const file of files.slice(0, -1)) await write(file);
    await check();
    for (const file of files.slice(-1)) await write(file);
  } catch (error) {
    for (const path of made) await rm(path, { force: true });
    if (!(error instanceof Error && 'syscall' in error)) throw error;
    throw new InitError(
      'init-folder-unusable',
      `writing into ${JSON.stringify(folder)} failed: ${error.message}`,
      {
        cause: error,
      },
    );
  }
}
