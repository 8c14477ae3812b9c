import type { Plugin } from 'esbuild';
import { pastDoors } from './past-doors.ts';

/**
 * Rewrites a source so that esbuild takes only what it uses: files of rooms instead of whole rooms, and zod as namespaces, of which unused
 * names are left out. As one object zod brings its messages in fifty languages.
 */
export function namedOnly(path: string, text: string): string {
  return pastDoors(path, text)
    .replace(
      /^import \{ z \} from 'zod';$/m,
      "import * as z from 'zod'; import * as zodCore from 'zod/v4/core';",
    )
    .replaceAll(/\bz\.core\./g, 'zodCore.');
}

/**
 * Loads three modules of Node.js by `require`, because an import evaluates all that they export: a second undici (`node:http`), the
 * certificates of every public CA (`node:tls`), and WebCrypto (`node:crypto`).
 */
export const nodeByRequire: Plugin = {
  name: 'node-by-require',
  setup(build) {
    build.onResolve({ filter: /^node:(?:http|tls|crypto)$/ }, ({ path, kind }) =>
      kind === 'import-statement' ? { path: path.slice('node:'.length), namespace: 'node' } : undefined,
    );
    build.onLoad({ filter: /./, namespace: 'node' }, ({ path }) => ({
      contents: `module.exports = require('${path}');`,
      loader: 'js',
    }));
  },
};
