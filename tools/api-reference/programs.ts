import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';

/** The folder of the checkout. */
export const ROOT = resolve(import.meta.dirname, '../..');

/** The doors of the library, by the name behind `federate/`. */
export const DOORS = ['spiffe', 'workload-api', 'federation'] as const;

/** The path of a program of this package, wherever npm has put it. */
export function programOf(name: string, file: string): string {
  const require = createRequire(join(ROOT, 'node_modules/api-reference/package.json'));
  return join(dirname(require.resolve(`${name}/package.json`)), file);
}
