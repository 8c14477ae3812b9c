#!/usr/bin/env node
// Plain JavaScript that any Node can read, so that an old one gets a sentence instead of a syntax error.
import { existsSync, readFileSync, statSync } from 'node:fs';

const major = Number(process.versions.node.split('.')[0]);
const source = new URL('../src/cli/main.ts', import.meta.url);
const dist = new URL('../dist/', import.meta.url);
const LONG_RUNNING = new Set(['agent', 'gateway', 'sidecar', 'simulate']);
/** The versions of Node.js whose V8 was seen to take the flags below at run time. Node.js promises it for none. */
const QUIET_START = [24, 25, 26];

/**
 * The first file that is missing or has another size than the build wrote; undefined where all are there. Native code that was cut short
 * would end the process with a signal when it loads. Native code for another machine stays: the store has a better sentence for it.
 */
function brokenFile() {
  try {
    const { files, native } = JSON.parse(readFileSync(new URL('build.json', dist), 'utf8'));
    const whole = Object.values(native);
    const own = Object.keys(files).find((name) => sizeOf(new URL(name, dist)) !== files[name]);
    return (
      own ??
      Object.keys(native)
        .flatMap(nativeFiles)
        .find((file) => isCutShort(file, native, whole))
    );
  } catch {
    return 'build.json';
  }
}

/** Where npm puts a file of better-sqlite3: inside of the package, or next to it. */
function nativeFiles(name) {
  return ['../node_modules/', '../../'].map((place) => `${place}better-sqlite3/prebuilds/${name}`);
}

function isCutShort(file, native, whole) {
  const size = sizeOf(new URL(file, dist));
  return size !== undefined && size < native[file.slice(file.lastIndexOf('/') + 1)] && !whole.includes(size);
}

function sizeOf(url) {
  return statSync(url, { throwIfNoEntry: false })?.size;
}

if (major < 24) {
  process.stderr.write(
    `federate needs Node 24 or later; this is Node ${process.versions.node}.\n` +
      (existsSync(source)
        ? '  → in a checkout, "npm ci" brings the right one and "npx federate …" uses it\n'
        : '  → install Node.js 24 or later, and put it first on the PATH; this package works with it as it is\n'),
  );
  process.exitCode = 2;
} else {
  // A checkout runs its sources. A package has JavaScript only, because Node strips no types under node_modules.
  const isCheckout = existsSync(source);
  // A start runs most code once and makes much garbage. V8 compiles and enlarges a part of the heap for it, and a process that has just
  // started would keep a sixth of its memory for that. platform/engine-tuning.ts turns both on again when the process is ready.
  if (LONG_RUNNING.has(process.argv[2] ?? '') && QUIET_START.includes(major)) {
    for (const flag of ['--no-opt', '--no-maglev', '--semi-space-growth-factor=1'])
      process.getBuiltinModule('node:v8').setFlagsFromString(flag);
    globalThis[Symbol.for('federate.quiet-start')] = true;
  }
  const broken = isCheckout ? undefined : brokenFile();
  if (broken === undefined) {
    const { main } = await import((isCheckout ? source : new URL('cli.js', dist)).href);
    process.exitCode = await main(process.argv.slice(2));
  } else {
    process.stderr.write(
      `federate: the installation is not complete: "${new URL(broken, dist).pathname}" is missing or was cut short [installation-incomplete]\n` +
        '  → install the package again: npm install -g federate-<version>.tgz\n',
    );
    process.exitCode = 1;
  }
}
