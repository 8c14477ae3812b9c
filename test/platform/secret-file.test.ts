import { chmodSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readSecretText, SecretFileError } from '../../src/platform/index.ts';
import { isGivenByRoot } from '../../src/platform/secret-file.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const user = (uid: number, gid: number, groups: readonly number[] = []) => ({
  geteuid: () => uid,
  getegid: () => gid,
  getgroups: () => [...groups],
});

describe('readSecretText()', () => {
  it.each([
    0o644, 0o640, 0o660, 0o604, 0o622,
  ])('refuses a file of its own with mode %d (decimal)', async (mode) => {
    using folder = tempDir();
    const file = folder.file('secret');
    writeFileSync(file, 'x');
    chmodSync(file, mode);
    await expect(readSecretText(file, 100)).rejects.toThrow(SecretFileError);
  });

  it.each([0o600, 0o400])('reads a file of its own with mode %d (decimal)', async (mode) => {
    using folder = tempDir();
    const file = folder.file('secret');
    writeFileSync(file, 'x', { mode: 0o600 });
    chmodSync(file, mode);
    expect(await readSecretText(file, 100)).toBe('x');
  });
});

describe('isGivenByRoot()', () => {
  const mounted = { mode: 0o100440, uid: 0, gid: 1000 };

  it('takes what Kubernetes mounts for a user that is not root', () => {
    expect(isGivenByRoot(mounted, user(1000, 1000))).toBe(true);
    expect(isGivenByRoot(mounted, user(1000, 1, [5, 1000]))).toBe(true);
    expect(isGivenByRoot({ ...mounted, mode: 0o100640 }, user(1000, 1000))).toBe(true);
  });

  it.each([
    ['another group reads it', mounted, user(1000, 1, [5])],
    ['every user reads it', { ...mounted, mode: 0o100444 }, user(1000, 1000)],
    ['its group writes it', { ...mounted, mode: 0o100460 }, user(1000, 1000)],
    ['the process itself owns it', { ...mounted, uid: 1000 }, user(1000, 1000)],
    ['another user owns it', { ...mounted, uid: 7 }, user(1000, 1000)],
    ['the process is root', mounted, user(0, 1000)],
  ])('refuses a file where %s', (_, file, who) => {
    expect(isGivenByRoot(file, who)).toBe(false);
  });
});
