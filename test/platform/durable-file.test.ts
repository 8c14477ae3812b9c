import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { writeDurably } from '../../src/platform/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

describe('writeDurably()', () => {
  it('replaces the file whole, with the mode asked for, and leaves no draft', async () => {
    using folder = tempDir();
    writeFileSync(folder.file('a'), 'old');
    await writeDurably(folder.file('a'), 'new', 0o600);
    expect(readFileSync(folder.file('a'), 'utf8')).toBe('new');
    expect(statSync(folder.file('a')).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder.path)).toEqual(['a']);
  });

  it('keeps the old file and no draft when it cannot be replaced', async () => {
    using folder = tempDir();
    await expect(writeDurably(folder.file('missing/a'), 'new')).rejects.toMatchObject({ code: 'ENOENT' });
    // A folder cannot be replaced by a file: the write succeeds, the rename does not.
    const { mkdirSync } = await import('node:fs');
    mkdirSync(folder.file('a/b'), { recursive: true });
    await expect(writeDurably(folder.file('a'), 'new')).rejects.toMatchObject({ code: 'EISDIR' });
    expect(readdirSync(folder.path)).toEqual(['a']);
  });
});
