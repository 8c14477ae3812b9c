import { mkdirSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { commitOf } from '../../src/platform/git-commit.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';

let folder: ReturnType<typeof tempDir>;
beforeEach(() => {
  folder = tempDir();
});
afterEach(() => folder[Symbol.dispose]());

function write(name: string, text: string): void {
  mkdirSync(folder.file(name).replace(/\/[^/]+$/, ''), { recursive: true });
  writeFileSync(folder.file(name), text);
}

describe('commitOf()', () => {
  it.each<[what: string, files: Record<string, string>]>([
    ['a branch', { '.git/HEAD': 'ref: refs/heads/main\n', '.git/refs/heads/main': `${COMMIT}\n` }],
    ['no branch', { '.git/HEAD': `${COMMIT}\n` }],
    [
      'a packed branch',
      {
        '.git/HEAD': 'ref: refs/heads/main\n',
        '.git/packed-refs': `# pack-refs\n${COMMIT} refs/heads/main\n`,
      },
    ],
  ])('finds the commit of %s', (_what, files) => {
    for (const [name, text] of Object.entries(files)) write(name, text);
    expect(commitOf(folder.file('.git'))).toBe('0123456789ab');
  });

  it('finds the commit of a worktree', () => {
    write('main/.git/worktrees/w/HEAD', 'ref: refs/heads/work\n');
    write('main/.git/worktrees/w/commondir', '../..\n');
    write('main/.git/refs/heads/work', `${COMMIT}\n`);
    write('w/.git', `gitdir: ${folder.file('main/.git/worktrees/w')}\n`);
    expect(commitOf(folder.file('w/.git'))).toBe('0123456789ab');
  });

  it('finds none outside of Git, or where a file is not what Git writes', () => {
    expect(commitOf(folder.file('.git'))).toBeUndefined();
    write('.git/HEAD', 'ref: refs/heads/gone\n');
    expect(commitOf(folder.file('.git'))).toBeUndefined();
    write('.git/HEAD', 'nonsense\n');
    expect(commitOf(folder.file('.git'))).toBeUndefined();
  });
});
