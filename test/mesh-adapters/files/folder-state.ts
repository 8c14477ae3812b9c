import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseBundleMap } from '../../../src/spiffe/index.ts';

/** The root whose private key does not exist. */
export const NOBODY = 'O=federate,CN=no longer trusted';

/**
 * The roots in the map of a folder of foreign bundles, by trust domain, without those whose private
 * key does not exist.
 */
function rootsInFolder(folder: string) {
  const map = parseBundleMap(readFileSync(join(folder, 'bundles.json')));
  return Object.fromEntries(
    [...map]
      .map(
        ([name, { bundle }]) =>
          [name, bundle.x509Authorities.filter(({ subject }) => subject !== NOBODY)] as const,
      )
      .filter(([, roots]) => roots.length > 0),
  );
}

/** The keys of those roots. */
export function keysInFolder(folder: string): Record<string, string[]> {
  return Object.fromEntries(
    Object.entries(rootsInFolder(folder)).map(([name, roots]) => [
      name,
      roots.map(({ keyFingerprint }) => keyFingerprint),
    ]),
  );
}

/**
 * The content of the files in a folder of foreign bundles, without files that only show that peers
 * are gone.
 */
export function folderState(folder: string): string {
  if (!existsSync(folder)) return '';
  const manifest = JSON.parse(readFileSync(join(folder, '.federate-files.json'), 'utf8')) as {
    files: string[];
    ended?: Record<string, string>;
  };
  const nobodys = Object.keys(manifest.ended ?? {}).map((name) => `${name}.pem`);
  return readdirSync(folder)
    .filter((name) => !nobodys.includes(name))
    .sort()
    .map((name) => {
      if (name === '.federate-files.json')
        return manifest.files.filter((file) => !nobodys.includes(file)).join();
      if (name === 'bundles.json') return JSON.stringify(rootsInFolder(folder));
      return `${name}\n${readFileSync(join(folder, name), 'utf8')}`;
    })
    .join('\n');
}
