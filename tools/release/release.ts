import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { notesOf } from './notes.ts';
import { type Sbom, shippedSbom } from './sbom.ts';

/**
 * `npm run release [-- --output FOLDER] [--without-image]`: the files of a release, in `release/`: the package, the chart, the image, an SBOM, the notes,
 * and the SHA-256 sums of all of them. Publishes nothing.
 */
const ROOT = resolve(import.meta.dirname, '../..');

const { values } = parseArgs({
  options: {
    output: { type: 'string', default: 'release' },
    'without-image': { type: 'boolean', default: false },
  },
});
const output = resolve(values.output);
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  readonly version: string;
};
const name = (rest: string) => `federate-${version}${rest}`;

const notes = notesOf(readFileSync(join(ROOT, 'CHANGELOG.md'), 'utf8'), version);
rmSync(output, { recursive: true, force: true });
mkdirSync(output, { recursive: true });

npm(['pack', '--silent', '--pack-destination', output]);
const { commit, packages } = JSON.parse(readFileSync(join(ROOT, 'dist/build.json'), 'utf8')) as {
  readonly commit: string | null;
  readonly packages: readonly string[];
};
writeFileSync(join(output, name('.notes.md')), notes);
const sbom = shippedSbom(
  JSON.parse(npm(['sbom', '--package-lock-only', '--sbom-format', 'cyclonedx'])) as Sbom,
  new Set([...packages, ...installed()]),
);
writeFileSync(join(output, name('.cdx.json')), `${JSON.stringify(sbom, undefined, 2)}\n`);
const missing = values['without-image'] ? 'not asked for' : saveImage();
const chartMissing = packChart();

const sums = readdirSync(output)
  .sort()
  .map(
    (file) =>
      `${createHash('sha256')
        .update(readFileSync(join(output, file)))
        .digest('hex')}  ${file}\n`,
  );
writeFileSync(join(output, 'SHA256SUMS'), sums.join(''));
process.stdout.write(sums.join(''));
if (missing !== undefined) process.stdout.write(`not made: the image (${missing})\n`);
if (chartMissing !== undefined) process.stdout.write(`not made: the chart (${chartMissing})\n`);
process.stdout.write(`${output}: version ${version}, commit ${commit ?? 'unknown'}; nothing was published\n`);

function npm(words: readonly string[]): string {
  return execFileSync('npm', [...words], { cwd: ROOT, encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 });
}

/** The packages that npm brings with ours, from the lock: all that are not only for development. */
function installed(): string[] {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
    readonly packages: Readonly<Record<string, { readonly version?: string; readonly dev?: boolean }>>;
  };
  return Object.entries(lock.packages).flatMap(([path, { version: its, dev }]) =>
    path === '' || dev === true || its === undefined
      ? []
      : [`${path.replace(/^.*node_modules\//, '')}@${its}`],
  );
}

/** Builds the image for this machine and saves it; returns why it did not. docker-bake.hcl is for both kinds of machine. */
function saveImage(): string | undefined {
  if (spawnSync('docker', ['info'], { stdio: 'ignore' }).status !== 0) return 'there is no Docker here';
  const tag = `federate:${version}`;
  const words = ['build', '--quiet', '--tag', tag, '--build-arg', `COMMIT=${commit ?? ''}`, '.'];
  const built = spawnSync('docker', words, { cwd: ROOT, encoding: 'utf8' });
  if (built.status !== 0) return `docker build failed: ${built.stderr.trim().split('\n').at(-1) ?? ''}`;
  execFileSync('docker', ['save', '--output', join(output, name(`-image-${process.arch}.tar`)), tag]);
  return undefined;
}

/** Packs the Helm chart as `federate-chart-VERSION.tgz`; returns why it did not. */
function packChart(): string | undefined {
  if (spawnSync('helm', ['version'], { stdio: 'ignore' }).status !== 0) return 'there is no helm here';
  const words = ['package', 'deploy/helm/federate', '--version', version, '--app-version', version];
  const packed = spawnSync('helm', [...words, '--destination', join(output, 'chart')], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  if (packed.status !== 0) return `helm package failed: ${packed.stderr.trim()}`;
  renameSync(join(output, 'chart', name('.tgz')), join(output, `federate-chart-${version}.tgz`));
  rmdirSync(join(output, 'chart'));
  return undefined;
}
