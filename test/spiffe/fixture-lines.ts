import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The cases of a fixture list: its lines without comments. */
export function fixtureLines(name: string): string[] {
  return readFileSync(join(import.meta.dirname, '../../fixtures', name), 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('# '));
}
