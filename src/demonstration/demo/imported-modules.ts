import { readFileSync } from 'node:fs';

const IMPORTS = /(?:\bfrom|\bimport|require)\s*\(?\s*['"]([^'"\n]+)['"]/g;

/**
 * Names every module of Node.js and of packages that a file and the files behind its relative
 * imports name. Reads the text only, of sources or of a package's JavaScript.
 */
export function importedModules(start: URL): ReadonlySet<string> {
  const seen = new Set<string>();
  const found = new Set<string>();
  const waiting = [start];
  for (let file = waiting.pop(); file; file = waiting.pop()) {
    if (seen.has(file.href)) continue;
    seen.add(file.href);
    for (const [, name = ''] of readFileSync(file, 'utf8').matchAll(IMPORTS)) {
      if (name.startsWith('.')) waiting.push(new URL(name, file));
      else found.add(name.replace(/^node:/, ''));
    }
  }
  return found;
}
