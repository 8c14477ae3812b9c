import { readFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import type { Plugin } from 'esbuild';
import { lateRequire } from './late-packages.ts';

export interface StandIns {
  readonly plugin: Plugin;
  /** Throws where the builds so far have not needed one of them. */
  assertAllUsed(): void;
}

/**
 * Puts the facts of a package in place of three kinds of source files, because a package has no sources to read them from:
 *
 * - `platform/installation.ts` becomes the version, the commit and the folder;
 * - `grpc/proto-text.ts` becomes the texts of the protos;
 * - what is loaded by `createRequire` is loaded from its file in `dist/`.
 *
 * And undici is only its `Client` with the method `request`, which the sources use. The whole package is five times as large, and sets the
 * dispatcher of `fetch` for the whole process when it is imported.
 *
 * All output files are in one folder, so a path relative to `import.meta.url` is the same in each. `rewrite` changes the text of every other
 * source.
 */
export function standIns(facts: {
  readonly root: string;
  readonly version: string;
  readonly commit: string | null;
  readonly protos: readonly string[];
  readonly rewrite?: (path: string, text: string) => string;
}): StandIns {
  const { root, version, commit, protos, rewrite = (_path, text) => text } = facts;
  const texts = Object.fromEntries(
    protos.map((file) => [basename(file, '.proto'), readFileSync(file, 'utf8')]),
  );
  const replaced: Readonly<Record<string, string>> = {
    'src/platform/installation.ts': `export const installation = {
      folder: new URL('../', import.meta.url),
      version: ${JSON.stringify(version)},
      commit: ${JSON.stringify(commit ?? undefined)},
      gateway: new URL('./gateway.js', import.meta.url),
    };`,
    'src/grpc/proto-text.ts': `const texts = ${JSON.stringify(texts)}; export const protoText = (name) => texts[name];`,
  };
  const used = new Set<string>();
  const plugin: Plugin = {
    name: 'stand-ins',
    setup(build) {
      build.onResolve({ filter: /^undici$/ }, ({ path, importer }) =>
        importer.startsWith(join(root, 'src')) ? { path, namespace: 'stand-in' } : undefined,
      );
      build.onLoad({ filter: /^undici$/, namespace: 'stand-in' }, () => ({
        contents: `import Dispatcher from 'undici/lib/dispatcher/client.js';
          import request from 'undici/lib/api/api-request.js';
          export class Client extends Dispatcher {
            request(...options) {
              return request.apply(this, options);
            }
          }`,
        resolveDir: root,
      }));
      build.onLoad({ filter: /\/src\/.*\.ts$/ }, ({ path }) => {
        const name = relative(root, path);
        const contents = replaced[name];
        if (contents !== undefined) {
          used.add(name);
          return { contents, loader: 'js' };
        }
        const text = rewrite(path, readFileSync(path, 'utf8'));
        if (!text.includes('createRequire(import.meta.url)')) return { contents: text, loader: 'ts' };
        return {
          loader: 'ts',
          contents: text.replaceAll(/\bload\('([^']+)'\)/g, (_call, wanted: string) => {
            const required = lateRequire(wanted);
            if (required === undefined)
              throw new Error(`${name} loads ${wanted}, which entries.ts does not name`);
            return `load${required}`;
          }),
        };
      });
    },
  };
  return {
    plugin,
    assertAllUsed() {
      const missing = Object.keys(replaced).filter((name) => !used.has(name));
      if (missing.length > 0)
        throw new Error(
          `nothing loads ${missing.join(', ')} any more: correct ${join('tools/build', basename(import.meta.filename))}`,
        );
    },
  };
}
