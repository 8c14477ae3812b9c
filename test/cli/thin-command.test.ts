import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { AdminServer } from '../../src/admin/index.ts';
import { stubAdmin } from '../../testkit/admin-handlers.ts';
import { openTestStore } from '../../testkit/open-test-store.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const RECORDER = join(ROOT, 'testkit/record-modules.ts');
const LIMIT = 150;

/** Rooms that the command may load for a verb that only asks a running agent. */
const THIN_ROOMS = ['admin-client', 'cli', 'errors', 'objects', 'platform'];

const stops: (() => unknown)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** A path in a folder that goes after the test. */
function fileNamed(name: string): string {
  const folder = tempDir();
  stops.push(() => folder[Symbol.dispose]());
  return folder.file(name);
}

interface Run {
  readonly code: number;
  readonly output: string;
  readonly modules: readonly string[];
}

/** Runs bin/federate.js and records the module files that it loads. */
function federate(...words: readonly string[]): Promise<Run> {
  const record = fileNamed('modules');
  return new Promise((done) => {
    execFile(
      process.execPath,
      ['--import', RECORDER, join(ROOT, 'bin/federate.js'), ...words],
      { env: { ...process.env, FEDERATE_TEST_MODULES: record } },
      (error, out, err) =>
        done({
          code: typeof error?.code === 'number' ? error.code : 0,
          output: out + err,
          modules: readFileSync(record, 'utf8')
            .split('\n')
            .filter((url) => !url.endsWith('/record-modules.ts')),
        }),
    );
  });
}

/** An admin socket with an empty store behind it. */
async function adminSocket(): Promise<string> {
  const path = fileNamed('admin.sock');
  const server = new AdminServer({ path, ...stubAdmin(await openTestStore()) });
  await server.start();
  stops.push(() => server.stop());
  return path;
}

function foreignTo(modules: readonly string[]): string[] {
  return modules.filter((url) => {
    const inSrc = /\/src\/([a-z-]+)\//.exec(url)?.[1];
    if (inSrc !== undefined) return !THIN_ROOMS.includes(inSrc);
    return !/\/node_modules\/commander\/|\/bin\/federate\.js$/.test(url);
  });
}

describe('the command is thin', () => {
  it.each([
    [['--version']],
    [['--help']],
    [['list', '--help']],
    [['agent', '--help']],
    [['demo', '--help']],
    [['init', '--help']],
    [['doctor', '--help']],
    [['store', 'backup', '--help']],
  ])('federate %j loads fewer than 150 modules, and no room that runs a server', async (words) => {
    const { code, modules } = await federate(...words);
    expect(code).toBe(0);
    expect(modules.length).toBeGreaterThan(10);
    expect(modules.length).toBeLessThan(LIMIT);
    expect(foreignTo(modules)).toEqual([]);
  });

  it.each([
    [['list']],
    [['history']],
    [['distrust', 'list']],
  ])('federate %j asks an agent with fewer than 150 modules, and no room that runs a server', async (words) => {
    const { code, modules, output } = await federate(...words, '--socket', await adminSocket());
    expect([code, output]).toEqual([0, expect.any(String)]);
    expect(modules.length).toBeLessThan(LIMIT);
    expect(foreignTo(modules)).toEqual([]);
  });

  it.each([
    [['status']],
    [['show', 'b.example']],
    [['rotation', 'status']],
    [['invite', 'list']],
    [['review']],
  ])('federate %j needs no more when no agent answers', async (words) => {
    const { code, modules } = await federate(...words, '--socket', fileNamed('none.sock'));
    expect(code).toBe(3);
    expect(modules.length).toBeLessThan(LIMIT);
    expect(foreignTo(modules)).toEqual([]);
  });

  it('sees the rooms of the server where a verb runs one', async () => {
    const { code, modules } = await federate('check-config', fileNamed('none.yaml'));
    expect(code).toBe(2);
    expect(modules.some((url) => url.includes('/src/config/'))).toBe(true);
  });
});
