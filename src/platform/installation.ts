import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { commitOf } from './git-commit.ts';

/** What runs here. This is a checkout; the build puts the facts of a package in place of this file. */
export interface Installation {
  /** The folder that has `bin` and `package.json`; with a slash at its end. */
  readonly folder: URL;
  readonly version: string;
  /** Twelve digits of the commit, with `-dirty` where files differ from it. */
  readonly commit: string | undefined;
  /** The file in which the code of the gateway begins. */
  readonly gateway: URL;
}

const folder = new URL('../../', import.meta.url);

export const installation: Installation = {
  folder,
  get version() {
    return versionIn(readFileSync(new URL('package.json', folder), 'utf8'));
  },
  get commit() {
    return commitOf(fileURLToPath(new URL('.git', folder)));
  },
  gateway: new URL('src/gateway/index.ts', folder),
};

function versionIn(text: string): string {
  const manifest: unknown = JSON.parse(text);
  if (typeof manifest !== 'object' || manifest === null || !('version' in manifest))
    throw new TypeError('package.json has no version');
  return String(manifest.version);
}
