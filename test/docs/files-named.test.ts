import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const page = readFileSync('ARCHITECTURE.md', 'utf8');
const filesIn = (text: string) =>
  new Set([...text.matchAll(/`([a-z-]+(?:\/[a-z0-9-]+)+\.ts)`/g)].map(([, file = '']) => file));
const exists = (file: string) => [file, `src/${file}`].some((path) => existsSync(path));

describe('ARCHITECTURE.md', () => {
  it('names only files that exist', () => {
    const files = [...filesIn(page)];
    expect(files.length).toBeGreaterThan(20);
    expect(files.filter((file) => !exists(file))).toEqual([]);
  });

  it('walks a request from the words to the store in at most ten files', () => {
    const [, rest = ''] = page.split("## One request's way");
    const [section = ''] = rest.split('\n## ');
    const files = [...filesIn(section)];
    expect(files[0]).toBe('cli/main.ts');
    expect(files.at(-1)).toMatch(/^store\/sql\//);
    expect(files.length).toBeLessThanOrEqual(10);
  });
});
