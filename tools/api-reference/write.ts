import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { programOf, ROOT } from './programs.ts';

/** Writes the reference of the library as pages of HTML into `api-docs/`. */
execFileSync(
  process.execPath,
  [programOf('typedoc', 'bin/typedoc'), '--options', join(ROOT, 'tools/api-reference/typedoc.json')],
  { cwd: ROOT, stdio: 'inherit' },
);
