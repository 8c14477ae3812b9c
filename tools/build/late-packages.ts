import { createRequire } from 'node:module';
import type { Plugin } from 'esbuild';
import { loadedLate } from './entries.ts';

/** Where each package is: the file of `dist/` without its `.cjs`, and the text that makes it. */
const places = new Map(
  Object.entries(loadedLate).flatMap(([file, packages]) =>
    Object.entries(packages).map(([name, make]) => [name, { file, make }] as const),
  ),
);

/** The text of the file `<file>.cjs` before it is bundled: its packages by name. */
export function lateFile(file: string): string {
  const packages = Object.entries(loadedLate[file] ?? {});
  return packages.map(([name, make]) => `exports[${JSON.stringify(name)}] = ${make};`).join('\n');
}

/** The expression that loads a package from its file in `dist/`; undefined for a package that does not load late. */
export function lateRequire(name: string): string | undefined {
  const place = places.get(name);
  return place && `('./${place.file}.cjs')[${JSON.stringify(name)}]`;
}

/**
 * Puts a stand-in in place of each package that loads late. It has the same names, and loads the package when one of them is first read;
 * tables of codes it has itself. esbuild reads a name of a CommonJS package where it is used, and not where it is imported.
 */
export function latePackages(root: string): Plugin {
  const load = createRequire(`${root}/package.json`);
  return {
    name: 'late-packages',
    setup(build) {
      build.onResolve({ filter: /./ }, ({ path, kind }) => {
        if (/^\.\/[\w-]+\.cjs$/.test(path) && path.slice(2, -4) in loadedLate)
          return { path, external: true };
        return places.has(path) && kind === 'import-statement' ? { path, namespace: 'late' } : undefined;
      });
      build.onLoad({ filter: /./, namespace: 'late' }, ({ path }) => {
        const members = Object.entries(load(path) as object).filter(([name]) => /^[\w$]+$/.test(name));
        const getters = members.map(([name, value]) =>
          isTable(value) ? `${name}: ${JSON.stringify(value)},` : `get ${name}() { return load().${name}; },`,
        );
        return {
          contents: `let loaded; const load = () => (loaded ??= require${lateRequire(path) ?? ''});
            module.exports = { ${getters.join('\n')} };`,
          loader: 'js',
        };
      });
    },
  };
}

/** Whether a value is a table of numbers and names, such as the codes of gRPC. Sources read these where they are imported. */
function isTable(value: unknown): boolean {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((each) => typeof each === 'number' || typeof each === 'string')
  );
}
