import { chmodSync, readFileSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createNotify, reloading } from '../../src/app/service-manager.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

let folder: ReturnType<typeof tempDir>;
beforeEach(() => {
  folder = tempDir();
});
afterEach(() => {
  vi.unstubAllEnvs();
  folder[Symbol.dispose]();
});

/** Puts a program in the place of systemd-notify that writes down its words, or fails. */
function standIn(script: string): void {
  writeFileSync(folder.file('systemd-notify'), `#!/bin/sh\n${script}\n`);
  chmodSync(folder.file('systemd-notify'), 0o755);
  vi.stubEnv('PATH', `${folder.path}:/usr/bin:/bin`);
}

describe('createNotify()', () => {
  it('sends each message by systemd-notify, in order', async () => {
    const seen = folder.file('seen');
    standIn(`[ "$1" = STOPPING=1 ] || sleep 0.1; printf '%s|' "$@" >> ${seen}; echo >> ${seen}`);
    const notify = createNotify({ NOTIFY_SOCKET: '/run/systemd/notify' }, (error) =>
      expect.fail(String(error)),
    );
    notify('READY=1', 'STATUS=all parts have started');
    notify('STOPPING=1');
    await vi.waitFor(() =>
      expect(readFileSync(seen, 'utf8')).toBe('READY=1|STATUS=all parts have started|\nSTOPPING=1|\n'),
    );
  });

  it('reports what was not sent, and goes on', async () => {
    standIn('exit 1');
    const failed: unknown[] = [];
    const notify = createNotify({ NOTIFY_SOCKET: '/run/systemd/notify' }, (error) => failed.push(error));
    notify('READY=1');
    notify('STOPPING=1');
    await vi.waitFor(() => expect(failed).toHaveLength(2));
  });

  it('does nothing where systemd has not started the process', async () => {
    const seen = folder.file('seen');
    standIn(`echo sent > ${seen}`);
    createNotify({}, (error) => expect.fail(String(error)))('READY=1');
    await new Promise((resolve) => setImmediate(resolve));
    expect(() => readFileSync(seen)).toThrow('ENOENT');
  });
});

it('reloading() has the monotonic time in microseconds, as systemd wants it', () => {
  const [first, second = ''] = reloading();
  expect(first).toBe('RELOADING=1');
  expect(Number(second.replace('MONOTONIC_USEC=', '')) / 1e6).toBeCloseTo(
    performance.timeOrigin === 0 ? 0 : Number(process.hrtime.bigint()) / 1e9,
    0,
  );
});
