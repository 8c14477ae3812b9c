import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Reads the commit that is checked out from Git's own files; undefined where there are none. `git`
 * may be a folder, or a file that names one.
 */
export function commitOf(git: string): string | undefined {
  const folder = /^gitdir: (.+)$/m.exec(textOf(git) ?? '')?.[1] ?? git;
  const head = textOf(join(folder, 'HEAD'))?.trim() ?? '';
  const common = join(folder, textOf(join(folder, 'commondir'))?.trim() ?? '');
  const ref = /^ref: (.+)$/.exec(head)?.[1];
  const commit =
    ref === undefined
      ? head
      : (textOf(join(common, ref)) ??
        textOf(join(common, 'packed-refs'))
          ?.split('\n')
          .find((line) => line.endsWith(` ${ref}`)));
  return /^[0-9a-f]{12}/.exec(commit ?? '')?.[0];
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
