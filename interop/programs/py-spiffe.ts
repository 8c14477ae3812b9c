import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { Child } from '../support/child.ts';
import { firstLineOf, type InteropProgram } from '../support/program.ts';
import { workloadClientChecks } from '../support/workload-client-checks.ts';

const CLIENT = join(import.meta.dirname, '../workload-clients/client.py');
const VERSION = 'import importlib.metadata as m; print(m.version("spiffe"))';

/** py-spiffe, the Workload API client for Python, on gRPC's C core. */
export const pySpiffe: InteropProgram = {
  name: 'py-spiffe',
  variable: 'FEDERATE_PYTHON_SPIFFE',
  command: 'python3',
  prepare: (python) => (spawnSync(python, ['-c', VERSION]).status === 0 ? python : undefined),
  version: (python) => firstLineOf(python, ['-c', VERSION]),
  install: 'a Python with the package `spiffe` of PyPI',
  checks: workloadClientChecks((python, words) => new Child(python, [CLIENT, ...words])),
};
