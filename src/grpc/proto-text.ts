import { readFileSync } from 'node:fs';

/**
 * Returns the text of the `.proto` file of this room with that name. In a package the build puts the
 * texts themselves in place of this file.
 */
export function protoText(name: string): string {
  return readFileSync(new URL(`./proto/${name}.proto`, import.meta.url), 'utf8');
}
