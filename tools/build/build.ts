import { execFileSync } from 'node:child_process';
import { globSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { type BuildOptions, build } from 'esbuild';
import { bundledPackages, notices } from './bundled-packages.ts';
import { entries, external, libraryEntries, loadedLate } from './entries.ts';
import { lateFile, latePackages } from './late-packages.ts';
import { namedOnly, nodeByRequire } from './light-start.ts';
import { standIns } from './stand-ins.ts';
import { writeTypes } from './types.ts';

/**
 * Makes `dist/` for the package, or the folder of `--out`: JavaScript of `src/` and of the packages behind it, because Node.js strips no
 * types under `node_modules`, and because a few files start faster than a thousand. A checkout runs from `src/` and needs none of it.
 *
 * `dist/build.json` has the version, the commit, the packages inside, and the size of each file, also of the native code that an
 * installation brings. `bin/federate.js` compares the sizes, so that an installation that was cut short does not run.
 */
const ROOT = resolve(import.meta.dirname, '../..');
const words = parseArgs({
  options: { commit: { type: 'string', default: '' }, out: { type: 'string', default: join(ROOT, 'dist') } },
}).values;
const DIST = resolve(words.out);
/** Built here, and renamed at the end, so that a build that fails or is killed leaves the old one. */
const NEW = `${DIST}.${process.pid}`;

const version = String(JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).version);
const commit = describeCommit();

const common = {
  absWorkingDir: ROOT,
  bundle: true,
  platform: 'node',
  target: 'node24',
  external: [...external],
  // Names stay, for stack traces. Blanks go, because Node.js keeps the text of a program in memory.
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  metafile: true as const,
  logLevel: 'warning',
} satisfies BuildOptions;

try {
  const facts = { root: ROOT, version, commit, protos: globSync(join(ROOT, 'src/**/*.proto')) };
  const modular = {
    ...common,
    outdir: NEW,
    format: 'esm',
    splitting: true,
    // Packages in CommonJS ask for Node's own modules by `require`, which a module does not have.
    banner: {
      js: "import{createRequire as createRequireOfChunk}from'node:module';const require=/* @__PURE__ */createRequireOfChunk(import.meta.url);",
    },
  } satisfies BuildOptions;
  const command = standIns({ ...facts, rewrite: namedOnly });
  const modules = await build({
    ...modular,
    entryPoints: { ...entries },
    chunkNames: 'chunk-[hash]',
    plugins: [latePackages(ROOT), nodeByRequire, command.plugin],
  });
  command.assertAllUsed();
  // On its own, because esbuild shares whole files: next to the command, the library would load the store.
  const library = await build({
    ...modular,
    entryPoints: { ...libraryEntries },
    chunkNames: 'library-[hash]',
    plugins: [standIns(facts).plugin],
  });
  const late = await Promise.all(
    Object.keys(loadedLate).map((file) =>
      build({
        ...common,
        stdin: { contents: lateFile(file), resolveDir: ROOT, sourcefile: `${file}.cjs` },
        outfile: join(NEW, `${file}.cjs`),
        format: 'cjs',
      }),
    ),
  );
  const packages = bundledPackages(
    ROOT,
    [modules, library, ...late].map(({ metafile }) => metafile),
  );
  writeFileSync(join(NEW, 'THIRD-PARTY-NOTICES.txt'), notices(ROOT, packages));
  const files = sizesIn(NEW);
  const native = sizesIn(join(ROOT, 'node_modules/better-sqlite3/prebuilds'));
  writeFileSync(
    join(NEW, 'build.json'),
    `${JSON.stringify({ version, commit, files, native, packages: packages.map(({ name, version: its }) => `${name}@${its}`) })}\n`,
  );
  writeTypes(ROOT, join(NEW, 'types'));
  rmSync(DIST, { recursive: true, force: true });
  renameSync(NEW, DIST);
} finally {
  rmSync(NEW, { recursive: true, force: true });
}
process.stdout.write(`built ${DIST}\n`);

/** The size of each file in a folder. */
function sizesIn(folder: string): Readonly<Record<string, number>> {
  return Object.fromEntries(readdirSync(folder).map((file) => [file, statSync(join(folder, file)).size]));
}

/** The commit of this tree, with a mark where files differ from it; null outside of Git, unless `--commit` names it. */
function describeCommit(): string | null {
  if (words.commit !== '') return words.commit;
  try {
    return execFileSync('git', ['describe', '--always', '--abbrev=12', '--dirty', '--exclude=*'], {
      cwd: ROOT,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
  } catch {
    return null;
  }
}
