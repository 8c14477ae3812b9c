import { execFileSync } from 'node:child_process';
import { cpSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');

/** Builds this checkout and puts what a package has into `folder`; its `federate`, which runs the JavaScript and not the sources. */
export function builtPackage(folder: string): string {
  execFileSync(process.execPath, [join(ROOT, 'tools/build/build.ts')], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  for (const name of ['bin', 'dist', 'package.json'])
    cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return join(folder, 'bin/federate.js');
}
