import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import {
  readRegularFile,
  readRegularFileSync,
  readRegularText,
  readToEndSync,
} from '../../src/platform/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

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
    // Its size is reported as 0.
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

  it('refuses a socket, and passes on the system error for a missing file', async () => {
    using folder = tempDir();
    const server = createServer().listen(folder.file('socket'));
    await once(server, 'listening');
    await expect(readRegularFile(folder.file('socket'))).rejects.toMatchObject({ code: 'file-not-regular' });
    server.close();
    await expect(readRegularFile(folder.file('none'))).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('readRegularFileSync()', () => {
  it('reads a whole file up to its bound', () => {
    using folder = tempDir();
    const content = Buffer.alloc(200_000, 'abc');
    writeFileSync(folder.file('a'), content);
    expect(readRegularFileSync(folder.file('a'), 200_000)).toEqual(content);
    expect(() => readRegularFileSync(folder.file('a'), 199_999)).toThrow('is larger than 199999 bytes');
    expect(readRegularFileSync('/proc/self/status').toString()).toContain('Pid:');
    expect(() => readRegularFileSync(folder.file('none'))).toThrow('ENOENT');
  });

  it.each([
    ['a FIFO that nobody writes', (path: string) => void execFileSync('mkfifo', [path])],
    ['a folder', (path: string) => mkdirSync(path)],
    ['a device without end', (path: string) => symlinkSync('/dev/zero', path)],
  ])('refuses %s at once', (_, make) => {
    using folder = tempDir();
    make(folder.file('odd'));
    expect(() => readRegularFileSync(folder.file('odd'))).toThrow('is not a regular file');
  });

  it('refuses a socket', async () => {
    using folder = tempDir();
    const server = createServer().listen(folder.file('socket'));
    await once(server, 'listening');
    expect(() => readRegularFileSync(folder.file('socket'))).toThrow('is not a regular file');
    server.close();
  });
});

describe('readToEndSync()', () => {
  it('reads no more than its bound of something without an end', () => {
    const read = (maxBytes: number) => {
      const file = openSync('/dev/zero', 'r');
      try {
        return readToEndSync(file, 'standard input', maxBytes);
      } finally {
        closeSync(file);
      }
    };
    expect(() => read(100_000)).toThrow('"standard input" is larger than 100000 bytes');
  });
});
