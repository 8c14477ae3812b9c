import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** The version in `package.json`. */
export function version(): string {
  const found = memberOf(join(ROOT, 'package.json'), 'version');
  if (found === undefined) throw new TypeError('package.json has no version');
  return found;
}

/** What `federate --version` prints: version, commit and Node.js. */
export function versionLine(): string {
  const built = !import.meta.url.endsWith('.ts');
  const commit = built ? memberOf(join(ROOT, 'dist/build.json'), 'commit') : commitOf(join(ROOT, '.git'));
  return `${version()} (commit ${commit ?? 'unknown'}, Node.js ${process.versions.node})`;
}

/**
 * The commit that is checked out, from Git's own files; undefined where there are none. `git` may
 * be a folder, or a file that names one.
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

function memberOf(file: string, name: string): string | undefined {
  const text = textOf(file);
  const document: unknown = text === undefined ? undefined : JSON.parse(text);
  if (typeof document !== 'object' || document === null) return undefined;
  const [, found] = Object.entries(document).find(([key]) => key === name) ?? [];
  return typeof found === 'string' ? found : undefined;
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
