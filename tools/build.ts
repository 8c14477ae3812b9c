import { execFileSync } from 'node:child_process';
import { cpSync, globSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

/**
 * Makes `dist/` for the package: the JavaScript of `src/`, file by file, because Node.js strips no types under `node_modules`; the protos
 * next to it; and `build.json` with the commit. A checkout runs from `src/` and needs none of it.
 */
const ROOT = resolve(import.meta.dirname, '..');
const DIST = join(ROOT, 'dist');

rmSync(DIST, { recursive: true, force: true });
execFileSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
  cwd: ROOT,
  stdio: 'inherit',
});
for (const file of globSync('**/*.proto', { cwd: join(ROOT, 'src') }))
  cpSync(join(ROOT, 'src', file), join(DIST, file));
writeFileSync(join(DIST, 'build.json'), `${JSON.stringify({ commit: commit() })}\n`);
process.stdout.write(`built ${DIST}\n`);

/** The commit of this tree, with a mark where files differ from it; null outside of Git. */
function commit(): string | null {
  try {
    return execFileSync('git', ['describe', '--always', '--abbrev=12', '--dirty', '--exclude=*'], {
      cwd: dirname(DIST),
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return null;
  }
}
