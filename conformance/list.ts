import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { judgeList } from './judge-list.ts';
import { readRows } from './read-rows.ts';
import { renderList } from './render-list.ts';
import { repositoryTests } from './repository-tests.ts';

const ROOT = resolve(import.meta.dirname, '..');

/** Where the list is written. */
export const LIST_PATH = join(ROOT, 'docs', 'conformance.md');

/** The conformance list of this repository as it stands: the text of `docs/conformance.md`, and what is wrong with it. */
export function conformanceList(): { readonly text: string; readonly wrong: readonly string[] } {
  const sections = readRows(join(ROOT, 'conformance', 'rows.yaml'));
  const tests = repositoryTests(ROOT);
  const divergences = readFileSync(join(ROOT, 'docs', 'divergences.md'), 'utf8');
  return { text: renderList(sections, tests), wrong: judgeList(sections, tests, divergences) };
}
