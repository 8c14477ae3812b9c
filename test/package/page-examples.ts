import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';

const PAGE = resolve(import.meta.dirname, '../../docs/library.md');

/** The programs of docs/library.md by their file names, which stand in the first line of each. */
export function pageExamples(): ReadonlyMap<string, string> {
  const blocks = readFileSync(PAGE, 'utf8').matchAll(/^```ts\n\/\/ (\S+\.ts)\n([^]*?)^```$/gm);
  return new Map([...blocks].map(([, name = '', text = '']) => [name, text]));
}
