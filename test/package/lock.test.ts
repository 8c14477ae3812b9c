import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { satisfies } from 'semver';
import { describe, expect, it } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const LOCK = join(ROOT, 'package-lock.json');

interface LockedPackage {
  engines?: unknown;
  readonly deprecated?: string;
  readonly hasInstallScript?: boolean;
}

interface Manifest {
  readonly version: string;
  readonly engines?: { readonly node?: string };
  readonly allowScripts?: Readonly<Record<string, boolean>>;
}

function readJson<Document>(path: string): Document {
  return JSON.parse(readFileSync(path, 'utf8'));
}

/** The lock without the `engines` of packages. */
function withoutEngines(): string {
  const lock = readJson<{ packages: Record<string, LockedPackage> }>(LOCK);
  for (const entry of Object.values(lock.packages)) delete entry.engines;
  return `${JSON.stringify(lock, undefined, 2)}\n`;
}

function lockedPackages(): [path: string, entry: LockedPackage][] {
  const { packages } = readJson<{ packages: Record<string, LockedPackage> }>(LOCK);
  return Object.entries(packages).filter(([path]) => path !== '');
}

/**
 * A checkout brings its own Node.js (tools/node), and any Node.js from 20 on can install it. npm would warn about each package that does
 * not run on the Node.js that runs npm, which is not the one that runs the package. So the lock leaves `engines` out, and these tests ask
 * the right question instead.
 */
describe('package-lock.json', () => {
  it('has no engines of packages (npm run lock writes it)', async () => {
    await expect(withoutEngines()).toMatchFileSnapshot(LOCK);
  });

  it('has packages that all run on the Node.js of the checkout', () => {
    const { version } = readJson<Manifest>(join(ROOT, 'tools/node/package.json'));
    const installed = lockedPackages()
      .map(([path]) => join(ROOT, path, 'package.json'))
      .filter((path) => existsSync(path));
    expect(installed.length).toBeGreaterThan(200);
    const refusing = installed.filter((path) => {
      const range = readJson<Manifest>(path).engines?.node;
      return range !== undefined && !satisfies(version, range);
    });
    expect(refusing).toEqual([]);
  });

  it('brings that Node.js, also at the path of the package `node` of npm', () => {
    const { version } = readJson<Manifest>(join(ROOT, 'tools/node/package.json'));
    for (const path of ['node_modules/.bin/node', 'node_modules/node/bin/node']) {
      const { stdout } = spawnSync(join(ROOT, path), ['--version'], { encoding: 'utf8' });
      expect([path, stdout.trim()]).toEqual([path, `v${version}`]);
    }
  });

  it('has no deprecated package', () => {
    expect(lockedPackages().filter(([, { deprecated }]) => deprecated !== undefined)).toEqual([]);
  });

  it('has no package whose install script must run', () => {
    const { allowScripts } = readJson<Manifest>(join(ROOT, 'package.json'));
    const scripted = lockedPackages().filter(([, { hasInstallScript }]) => hasInstallScript === true);
    const names = new Set(scripted.map(([path]) => path.replace(/^.*node_modules\//, '')));
    expect([...names].map((name) => [name, allowScripts?.[name]])).toEqual(
      [...names].map((name) => [name, false]),
    );
  });
});
