import { once } from 'node:events';
import { statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { listenOnUnixSocket } from '../../src/platform/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

describe('listenOnUnixSocket()', () => {
  it('makes a socket that only the own user may open', async () => {
    using folder = tempDir();
    const server = createServer();
    await listenOnUnixSocket(server, folder.file('a.sock'));
    expect(statSync(folder.file('a.sock')).mode & 0o777).toBe(0o600);
    server.close();
    await once(server, 'close');
  });

  it('does not end the process when the system has no file descriptor for a client', async () => {
    using folder = tempDir();
    const server = createServer();
    await listenOnUnixSocket(server, folder.file('a.sock'));
    const failed = Object.assign(new Error('accept EMFILE'), { code: 'EMFILE' });
    expect(() => server.emit('error', failed)).not.toThrow();
    server.close();
    await once(server, 'close');
  });

  it('replaces the socket of a killed process, but never a socket that answers or a file', async () => {
    using folder = tempDir();
    const path = folder.file('a.sock');
    const script = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
    spawnSync(process.execPath, ['-e', script]);
    expect(statSync(path).isSocket()).toBe(true);

    const server = createServer();
    await listenOnUnixSocket(server, path);
    await expect(listenOnUnixSocket(createServer(), path)).rejects.toMatchObject({ code: 'EADDRINUSE' });
    server.close();
    await once(server, 'close');

    writeFileSync(folder.file('file'), 'precious');
    await expect(listenOnUnixSocket(createServer(), folder.file('file'))).rejects.toMatchObject({
      code: 'EEXIST',
    });
    await expect(listenOnUnixSocket(createServer(), folder.file('no/such/a.sock'))).rejects.toMatchObject({
      code: 'ENOENT',
      message: `its folder ${folder.file('no/such')} is not there`,
    });
  });
});
