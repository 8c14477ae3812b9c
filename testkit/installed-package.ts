import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { TEST_PATIENCE_MS } from './patience.ts';

const ROOT = resolve(import.meta.dirname, '..');

/** A package that was packed from this checkout and installed with `npm install -g`, as a user does it. */
export interface InstalledPackage {
  /** The prefix, which nothing else is installed in. */
  readonly prefix: string;
  /** Where the package is. */
  readonly folder: string;
  /** Its `federate`. */
  readonly command: string;
  /** What npm printed to standard error. */
  readonly warnings: string;
}

/** Packs and installs into the empty folder `parent`, without install scripts. Throws with npm's words. */
export function installPackage(parent: string): InstalledPackage {
  npm(['pack', '--silent', '--pack-destination', parent], ROOT);
  const file = readdirSync(parent).find((name) => name.endsWith('.tgz'));
  if (file === undefined) throw new Error('npm pack made no file');
  const prefix = join(parent, 'prefix');
  const words = ['--prefix', prefix, '--prefer-offline', '--ignore-scripts', '--no-audit', '--no-fund'];
  const warnings = npm(['install', '--global', ...words, join(parent, file)], parent);
  return {
    prefix,
    folder: join(prefix, 'lib/node_modules/federate'),
    command: join(prefix, 'bin/federate'),
    warnings,
  };
}

function npm(words: readonly string[], cwd: string): string {
  const { status, stderr } = spawnSync('npm', [...words], {
    cwd,
    encoding: 'utf8',
    timeout: TEST_PATIENCE_MS,
  });
  if (status !== 0) throw new Error(`npm ${words[0] ?? ''} failed: ${stderr}`);
  return stderr;
}
