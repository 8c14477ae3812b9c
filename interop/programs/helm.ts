import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { firstLineOf, type InteropProgram } from '../support/program.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const CHART = join(ROOT, 'deploy/helm/federate');
const GOLDEN = join(ROOT, 'fixtures/chart');
const RUN_MS = 60_000;
const EXAMPLES = readdirSync(join(CHART, 'ci'));
/** A folder with one folder of JSON schemas for each version of Kubernetes. */
const SCHEMAS = process.env['FEDERATE_KUBERNETES_SCHEMAS'];
/** The oldest and a late version that the chart is for. */
const VERSIONS = ['v1.27', 'v1.34'];

interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

function run(program: string, words: readonly string[], input = ''): Ran {
  const options = { input, encoding: 'utf8', timeout: RUN_MS, maxBuffer: 16 * 1024 * 1024 } as const;
  const { status, stdout, stderr, error } = spawnSync(program, words, options);
  if (error) throw error;
  return { status, out: stdout, err: stderr };
}

function render(helm: string, words: readonly string[]): Ran {
  return run(helm, ['template', 'federate', CHART, '--namespace', 'federate', ...words]);
}

/** Values that are wrong together, and a part of the message. */
const REFUSED: readonly (readonly [words: readonly string[], message: RegExp])[] = [
  [[], /config\.mesh is missing/],
  [['--set', 'config.mesh.kind=istio'], /config\.endpoint\.url is missing/],
  [['--set', 'gatway.enabled=true'], /gatway/],
  [['--set', 'replicas=2'], /replicas/],
  [['--set', 'config.store=/tmp/x'], /store/],
  [['--set', 'config.mesh.kind=nomad'], /config/],
];

/** Helm, with kubeconform beside it. */
export const helm: InteropProgram = {
  name: 'helm',
  variable: 'FEDERATE_HELM',
  command: 'helm',
  version: (executable) => firstLineOf(executable, ['version', '--short']),
  install: 'the Go modules `helm.sh/helm/v4` and `github.com/yannh/kubeconform`',
  checks: [
    {
      name: 'helm lint --strict takes the chart with every example',
      run: async (executable) => {
        for (const example of EXAMPLES) {
          const { status, out, err } = run(executable, [
            'lint',
            '--strict',
            CHART,
            '--values',
            join(CHART, 'ci', example),
          ]);
          assert.equal(status, 0, `${example}: ${out}${err}`);
        }
      },
    },
    {
      name: 'every example renders what fixtures/chart has (FEDERATE_WRITE_GOLDEN=1 writes it)',
      run: async (executable) => {
        for (const example of EXAMPLES) {
          const { status, out, err } = render(executable, ['--values', join(CHART, 'ci', example)]);
          assert.equal(status, 0, err);
          const golden = join(GOLDEN, example.replace('-values', ''));
          if (process.env['FEDERATE_WRITE_GOLDEN'] === '1') writeFileSync(golden, out);
          assert(existsSync(golden), `${golden} is missing`);
          assert.equal(out, readFileSync(golden, 'utf8'), `${golden} differs`);
          assert.doesNotMatch(out, /resources:\s*\n\s*- secrets/, 'the agent never reads Secrets');
        }
      },
    },
    {
      name: 'wrong values are refused with what to do',
      run: async (executable) => {
        for (const [words, message] of REFUSED) {
          const { status, err } = render(executable, words);
          assert.equal(status, 1, `${words.join(' ')} was taken`);
          assert.match(err, message);
        }
      },
    },
    {
      name: 'kubeconform takes every object, by the strict schemas of two versions of Kubernetes',
      run: async () => {
        assert(SCHEMAS !== undefined, 'FEDERATE_KUBERNETES_SCHEMAS names no folder of schemas');
        const program = process.env['FEDERATE_KUBECONFORM'] ?? 'kubeconform';
        const folders = readdirSync(SCHEMAS);
        for (const version of VERSIONS) {
          const folder = folders.find((name) => name.startsWith(`${version}.`) && name.endsWith('-strict'));
          assert(folder !== undefined, `${SCHEMAS} has no schemas of ${version}`);
          const location = `${join(SCHEMAS, folder)}/{{.ResourceKind}}{{.KindSuffix}}.json`;
          const words = ['-strict', '-summary', '-schema-location', location];
          // Kinds of the Prometheus operator have no schema here.
          const skipped = ['-skip', 'ServiceMonitor,PrometheusRule'];
          const { status, out, err } = run(program, [...words, ...skipped, GOLDEN]);
          assert.equal(status, 0, out + err);
          assert.match(out, /Valid: [1-9]\d+/);
        }
      },
    },
  ],
};
