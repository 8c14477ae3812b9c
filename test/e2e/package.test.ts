import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type InstalledPackage, installPackage } from '../../testkit/installed-package.ts';
import { TEST_PATIENCE_MS } from '../../testkit/patience.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const folder = tempDir();
let installed: InstalledPackage;

beforeAll(() => {
  installed = installPackage(folder.path);
});
afterAll(() => folder[Symbol.dispose]());

/** Runs `federate` of the package, or of a copy of it. */
function run(words: readonly string[], command = installed.command, nodeOptions: readonly string[] = []) {
  return spawnSync(process.execPath, [...nodeOptions, command, ...words], {
    cwd: folder.path,
    encoding: 'utf8',
    timeout: TEST_PATIENCE_MS,
  });
}

/** All files below a folder, each with its size and the time of its last change. */
function filesBelow(path: string): string[] {
  return readdirSync(path, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => {
      const { size, mtimeMs } = statSync(join(path, name));
      return `${name} ${size} ${mtimeMs}`;
    });
}

/** A copy of the installation that `harm` damages; its command. */
function damaged(name: string, harm: (folder: string) => void): string {
  const copy = folder.file(name);
  cpSync(installed.folder, copy, { recursive: true });
  harm(copy);
  return join(copy, 'bin/federate.js');
}

const NATIVE = `node_modules/better-sqlite3/prebuilds/${process.platform}-${process.arch}.node`;

describe('the package, installed with npm install -g and without scripts', () => {
  it('needs no deprecated package', () => {
    expect(installed.warnings).not.toMatch(/EBADENGINE|deprecated/);
  });

  it('has JavaScript only, and nothing of the checkout', () => {
    const inside = readdirSync(installed.folder, { recursive: true, encoding: 'utf8' });
    const own = inside.filter((name) => !name.startsWith('node_modules'));
    expect(
      own.filter((name) => /(?<!\.d)\.ts$|\.proto$/.test(name) || /^(?:src|test|tools)\b/.test(name)),
    ).toEqual([]);
    expect(own).toContain('dist/cli.js');
  });

  it('brings one package from the registry, and the licences of those inside', () => {
    expect(
      readdirSync(join(installed.folder, 'node_modules')).filter((name) => !name.startsWith('.')),
    ).toEqual(['better-sqlite3', 'node-addon-api']);
    const notices = readFileSync(join(installed.folder, 'dist/THIRD-PARTY-NOTICES.txt'), 'utf8');
    for (const name of ['undici', 'zod', 'commander', '@grpc/grpc-js'])
      expect(notices).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(`, 'm'));
  });

  it('says its version, the commit and Node.js', () => {
    const { status, stdout } = run(['--version']);
    expect([status, stdout]).toEqual([
      0,
      expect.stringMatching(
        /^\d+\.\d+\.\d+ \(commit ([0-9a-f]{12}(-dirty)?|unknown), Node\.js 24\.\d+\.\d+\)\n$/,
      ),
    ]);
  });

  it('has the pages that "federate help" shows, and completes itself', () => {
    expect(run(['help', 'operations']).stdout).toMatch(/^Operations\n=/);
    expect(run(['__complete', 'bundle', 'sh']).stdout).toContain('\nshow\t');
  });

  it('asks an agent, checks a config, and says which Node.js it needs', () => {
    expect(run(['list', '--socket', folder.file('none.sock')]).status).toBe(3);
    writeFileSync(folder.file('weather.yaml'), 'role: info\nlisten: 127.0.0.1:8080\n');
    expect(run(['check-config', '--kind', 'weather', folder.file('weather.yaml')])).toMatchObject({
      status: 0,
    });
    const older = `data:text/javascript,Object.defineProperty(process.versions,'node',{value:'20.20.2'})`;
    const refused = run(['--version'], installed.command, ['--import', older]);
    expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining('needs Node 24 or later')]);
  });

  it('runs the demonstration, and writes nothing where it is installed', () => {
    const before = filesBelow(installed.prefix);
    const { status, stdout } = run(['demo', '--output', 'json']);
    const failed = stdout.split('\n').filter((line) => line !== '' && !line.includes('"ok":true'));
    expect([status, failed]).toEqual([0, []]);
    expect(filesBelow(installed.prefix)).toEqual(before);
  });
});

describe('a damaged installation', () => {
  it.each<[what: string, harm: (folder: string) => void, file: string]>([
    ['a file that was cut short', (path) => truncateSync(join(path, 'dist/cli.js'), 1000), 'dist/cli.js'],
    ['a file that is missing', (path) => rmSync(join(path, 'dist/pino.cjs')), 'dist/pino.cjs'],
    ['no list of its files', (path) => truncateSync(join(path, 'dist/build.json'), 20), 'dist/build.json'],
    ['native code that was cut short', (path) => truncateSync(join(path, NATIVE), 100_000), NATIVE],
    ['no dist/', (path) => rmSync(join(path, 'dist'), { recursive: true }), 'dist/build.json'],
  ])('with %s says which file, and runs nothing', (what, harm, file) => {
    const { status, stdout, stderr } = run(['--version'], damaged(what, harm));
    expect([status, stdout]).toEqual([1, '']);
    expect(stderr).toContain(`${file}" is missing or was cut short [installation-incomplete]`);
    expect(stderr).toContain('→ install the package again');
  });

  it.each<[what: string, harm: (folder: string) => void, code: string]>([
    [
      'native code for another kind of machine',
      (path) =>
        cpSync(
          join(path, NATIVE.replace(process.arch, process.arch === 'x64' ? 'arm64' : 'x64')),
          join(path, NATIVE),
        ),
      'store-engine-unusable',
    ],
    ['no native code for this machine', (path) => rmSync(join(path, NATIVE)), 'store-engine-unusable'],
    [
      'no better-sqlite3',
      (path) => rmSync(join(path, 'node_modules'), { recursive: true }),
      'ERR_MODULE_NOT_FOUND',
    ],
  ])('with %s opens no store, and says what to do', (what, harm, code) => {
    const command = damaged(what, harm);
    expect(run(['--version'], command).status).toBe(0);
    writeFileSync(folder.file('some.db'), 'x');
    const { status, stderr } = run(['history', '--store', folder.file('some.db')], command);
    expect([status, stderr]).toEqual([1, expect.stringContaining(`[${code}]`)]);
    expect(stderr).toContain('→ install Federate again');
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});
