import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { SEEDS, type TargetName } from './seeds.ts';

/**
 * `npm run fuzz [-- --target NAME]… [--seconds N]`: each target for N seconds, one after the other, guided by coverage; ends with code 1 at the
 * first input for which a target throws, which is left in `run/fuzz/<target>`. What was learned stays there for the next run.
 */
const NAMES = Object.keys(SEEDS) as TargetName[];
const { values } = parseArgs({
  options: {
    target: { type: 'string', multiple: true, default: NAMES },
    seconds: { type: 'string', default: '60' },
  },
});
const seconds = Number(values.seconds);
const unknown = values.target.filter((name) => !NAMES.includes(name as TargetName));
if (unknown.length > 0 || !Number.isSafeInteger(seconds) || seconds < 1) {
  console.error(`usage: npm run fuzz -- [--target ${NAMES.join('|')}] [--seconds 1…]`);
  process.exit(2);
}

// The fuzzer's native part wants a newer C library than some systems have; FUZZ_NODE names another way to start Node there.
const [program = process.execPath, ...before] = process.env['FUZZ_NODE']?.split(' ') ?? [process.execPath];
const jazzer = fileURLToPath(new URL('cli.js', import.meta.resolve('@jazzer.js/core')));
const probe = spawnSync(program, [...before, jazzer, '--help'], { encoding: 'utf8' });
if (probe.status !== 0) {
  console.error(
    `Jazzer.js does not start here: ${/Error: .*/.exec(probe.stderr)?.[0] ?? 'no reason given'}\nIt needs glibc 2.38 (Debian 13, Ubuntu 24.04) or macOS; see fuzz/README.md.`,
  );
  process.exit(2);
}

for (const name of values.target as TargetName[]) {
  const code = await fuzz(name);
  if (code !== 0) {
    console.error(`${name}: ended with code ${code}; the input is in run/fuzz/${name}`);
    process.exit(1);
  }
}

async function fuzz(name: TargetName): Promise<number | null> {
  const folder = resolve('run/fuzz', name);
  const corpus = join(folder, 'corpus');
  mkdirSync(corpus, { recursive: true });
  for (const seed of [...(await SEEDS[name]()), ...fixturesOf(name)]) {
    writeFileSync(join(corpus, createHash('sha1').update(seed).digest('hex')), seed);
  }
  const target = join(folder, 'target.cjs');
  // Jazzer.js instruments what is required, not what is imported, and reads no TypeScript.
  await build({
    entryPoints: [`fuzz/targets/${name}.ts`],
    outfile: target,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    packages: 'external',
    logLevel: 'error',
  });
  console.log(`${name}: ${seconds} s, from ${readdirSync(corpus).length} inputs`);
  const args = [`-max_total_time=${seconds}`, '-max_len=20000', '-timeout=10', `-artifact_prefix=${folder}/`];
  const child = spawn(program, [...before, jazzer, target, corpus, '--sync', '-i', target, '--', ...args], {
    stdio: 'inherit',
  });
  return new Promise((done, failed) => {
    child.once('error', failed);
    child.once('exit', done);
  });
}

/** Inputs that once found something. */
function fixturesOf(name: TargetName): Uint8Array[] {
  const folder = join('fixtures/fuzz', name);
  return readdirSync('fixtures/fuzz').includes(name)
    ? readdirSync(folder).map((file) => readFileSync(join(folder, file)))
    : [];
}
