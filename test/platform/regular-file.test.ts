import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { readRegularFile, readRegularText } from '../../src/platform/index.ts';
import { tempDir } from '../support/temp-dir.ts';

describe('readRegularFile()', () => {
  it('reads a whole file of any length up to its bound, also behind a symbolic link', async () => {
    using folder = tempDir();
    const content = Buffer.alloc(200_000, 'abc');
    writeFileSync(folder.file('a'), content);
    symlinkSync(folder.file('a'), folder.file('b'));
    expect(await readRegularFile(folder.file('b'), 200_000)).toEqual(content);
    await expect(readRegularFile(folder.file('a'), 199_999)).rejects.toMatchObject({
      code: 'file-too-large',
    });
    writeFileSync(folder.file('empty'), '');
    expect(await readRegularText(folder.file('empty'))).toBe('');
    // It tells no size.
    expect(await readRegularText('/proc/self/status')).toContain('Pid:');
    await expect(readRegularFile('/proc/self/status', 10)).rejects.toMatchObject({ code: 'file-too-large' });
  });

  it.each([
    ['a FIFO that nobody writes', (path: string) => void execFileSync('mkfifo', [path])],
    ['a folder', (path: string) => mkdirSync(path)],
    ['a device without end', (path: string) => symlinkSync('/dev/zero', path)],
    ['a terminal', (path: string) => symlinkSync('/dev/ptmx', path)],
  ])('refuses %s at once', async (_, make) => {
    using folder = tempDir();
    make(folder.file('odd'));
    await expect(readRegularFile(folder.file('odd'))).rejects.toMatchObject({ code: 'file-not-regular' });
  });

  it('refuses a socket, and passes on what the system says about a missing file', async () => {
    using folder = tempDir();
    const server = createServer().listen(folder.file('socket'));
    await once(server, 'listening');
    await expect(readRegularFile(folder.file('socket'))).rejects.toMatchObject({ code: 'file-not-regular' });
    server.close();
    await expect(readRegularFile(folder.file('none'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});
