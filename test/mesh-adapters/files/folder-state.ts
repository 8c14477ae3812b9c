import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The files in a folder of foreign bundles by name, without those that only say of peers that they are gone. */
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
    .map((name) =>
      name === '.federate-files.json'
        ? manifest.files.filter((file) => !nobodys.includes(file)).join()
        : `${name}\n${readFileSync(join(folder, name), 'utf8')}`,
    )
    .join('\n');
}
