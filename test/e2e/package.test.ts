import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { TEST_PATIENCE_MS } from '../../testkit/patience.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const folder = tempDir();

/** The command of a package that was packed here and installed into an empty folder, as a user would do it. */
const command = folder.file('installed/node_modules/.bin/federate');

function run(program: string, words: readonly string[], cwd = folder.path) {
  return spawnSync(program, [...words], { cwd, encoding: 'utf8', timeout: TEST_PATIENCE_MS });
}

let installed: ReturnType<typeof run>;

beforeAll(() => {
  const packed = run('npm', ['pack', '--silent', '--pack-destination', folder.path], ROOT);
  const [file] = readdirSync(folder.path);
  if (packed.status !== 0 || file === undefined) throw new Error(`npm pack failed: ${packed.stderr}`);
  const words = [
    '--prefix',
    folder.file('installed'),
    '--prefer-offline',
    '--ignore-scripts',
    '--no-audit',
    '--no-fund',
  ];
  installed = run('npm', ['install', ...words, folder.file(file)]);
  if (installed.status !== 0) throw new Error(`npm install failed: ${installed.stderr}`);
});
afterAll(() => folder[Symbol.dispose]());

describe('the package, installed without scripts into an empty folder', () => {
  it('needs no deprecated package', () => {
    expect(installed.stderr).not.toMatch(/EBADENGINE|deprecated/);
  });

  it('has JavaScript only, and nothing of the checkout', () => {
    const inside = readdirSync(folder.file('installed/node_modules/federate'), {
      recursive: true,
      encoding: 'utf8',
    });
    expect(
      inside.filter((name) => name.endsWith('.ts') || /^(?:src|test|node_modules)\b/.test(name)),
    ).toEqual([]);
    expect(inside).toContain('dist/grpc/proto/sds.proto');
    expect(existsSync(join(folder.path, 'installed/node_modules/node-of-the-checkout'))).toBe(false);
  });

  it('says its version, the commit and Node.js', () => {
    const { status, stdout } = run(process.execPath, [command, '--version']);
    expect([status, stdout]).toEqual([
      0,
      expect.stringMatching(
        /^\d+\.\d+\.\d+ \(commit ([0-9a-f]{12}(-dirty)?|unknown), Node\.js 24\.\d+\.\d+\)\n$/,
      ),
    ]);
  });

  it('asks an agent, checks a config, and says which Node.js it needs', () => {
    expect(run(process.execPath, [command, 'list', '--socket', folder.file('none.sock')]).status).toBe(3);
    writeFileSync(folder.file('weather.yaml'), 'role: info\nlisten: 127.0.0.1:8080\n');
    expect(
      run(process.execPath, [command, 'check-config', '--kind', 'weather', folder.file('weather.yaml')]),
    ).toMatchObject({ status: 0 });
    const older = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.20.2'})`;
    const refused = run(process.execPath, ['--import', older, command, '--version']);
    expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining('needs Node 24 or later')]);
  });

  it('runs the demonstration', () => {
    const { status, stdout } = run(process.execPath, [command, 'demo', '--output', 'json']);
    const failed = stdout.split('\n').filter((line) => line !== '' && !line.includes('"ok":true'));
    expect([status, failed]).toEqual([0, []]);
  });
});
