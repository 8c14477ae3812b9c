import { copyFileSync, renameSync, rmSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { StoreError } from '../../src/store/index.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const WAYS = [
  ['the store is removed', (path: string) => rmSync(path), ''],
  [
    'a copy stands in its place',
    (path: string) => {
      copyFileSync(path, `${path}.copy`);
      renameSync(`${path}.copy`, path);
    },
    '',
  ],
  ['its log is removed', (path: string) => rmSync(`${path}-wal`), '-wal'],
] as const;

describe('a store whose files go while it is open', () => {
  it.each(WAYS)('refuses to write, and says so: %s', async (_what, harm, suffix) => {
    using folder = tempDir();
    const path = folder.file('federate.db');
    const failures: StoreError[] = [];
    const observer = {
      failed: (error: StoreError) => void failures.push(error),
      wrote: () => {},
      recorded: () => {},
    };
    const store = await openTestStore({ path, observer });
    await store.setMeta('a', '1');
    harm(path);
    await expect(store.setMeta('a', '2')).rejects.toMatchObject({
      code: 'store-replaced',
      message: expect.stringContaining(`"${path}${suffix}" was `) as unknown,
    });
    expect(failures.map(({ code }) => code)).toEqual(['store-replaced']);
    expect(await store.getMeta('a')).toBe('1');
    await store.close();
  });

  it('writes again when the file is moved back', async () => {
    using folder = tempDir();
    const [path, away] = [folder.file('federate.db'), folder.file('away.db')];
    await using store = await openTestStore({ path });
    await store.setMeta('a', '1');
    renameSync(path, away);
    await expect(store.setMeta('a', '2')).rejects.toMatchObject({ code: 'store-replaced' });
    renameSync(away, path);
    await store.setMeta('a', '3');
    expect(await store.getMeta('a')).toBe('3');
  });
});
