import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { accessByEnvoy, accessByRego } from './programs/access.ts';
import { consul, consulGateway, consulServices } from './programs/consul.ts';
import { envoy } from './programs/envoy.ts';
import { goSpiffe } from './programs/go-spiffe.ts';
import { helm } from './programs/helm.ts';
import { istiod } from './programs/istiod.ts';
import { javaSpiffe } from './programs/java-spiffe.ts';
import { kubeApiserver } from './programs/kube-apiserver.ts';
import { kuma } from './programs/kuma.ts';
import { newerNode } from './programs/newer-node.ts';
import { openBao } from './programs/openbao.ts';
import { prometheus } from './programs/prometheus.ts';
import { pySpiffe } from './programs/py-spiffe.ts';
import { olderRustls, rustls } from './programs/rustls.ts';
import { schemathesis } from './programs/schemathesis.ts';
import { spireAndEnvoy } from './programs/spire-and-envoy.ts';
import { spireAndGoSpiffe } from './programs/spire-and-go-spiffe.ts';
import { spireControllerManager } from './programs/spire-controller-manager.ts';
import { spire } from './programs/spire.ts';
import { spireAgent } from './programs/spire-agent.ts';
import { trustManager } from './programs/trust-manager.ts';
import { vault } from './programs/vault.ts';
import { findExecutable, type InteropProgram } from './support/program.ts';
import { runSuite, type SuiteResult } from './support/suite.ts';
import { type ProgramResult, renderTable, writeTable } from './support/table.ts';

/** `npm run test:interop [-- --only NAME] [--output json] [--write]`: our agent with other people's programs, those that are here. */
const PROGRAMS: readonly InteropProgram[] = [
  goSpiffe,
  pySpiffe,
  javaSpiffe,
  spireAgent,
  envoy,
  spire,
  spireAndGoSpiffe,
  spireAndEnvoy,
  spireControllerManager,
  consul,
  consulGateway,
  consulServices,
  kubeApiserver,
  istiod,
  trustManager,
  kuma,
  vault,
  openBao,
  rustls,
  olderRustls,
  schemathesis,
  accessByEnvoy,
  accessByRego,
  prometheus,
  helm,
  newerNode,
];

function readArguments() {
  try {
    return parseArgs({
      options: {
        only: { type: 'string', multiple: true },
        output: { type: 'string', default: 'text' },
        write: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    console.error(`interop: ${error instanceof Error ? error.message : String(error)}`);
    console.error('npm run test:interop [-- --only NAME] [--output json] [--write]');
    return process.exit(2);
  }
}

const { only, output, write } = readArguments().values;
const chosen = only ? PROGRAMS.filter(({ name }) => only.includes(name)) : PROGRAMS;
if (chosen.length === 0) {
  console.error(`--only takes one of: ${PROGRAMS.map(({ name }) => name).join(', ')}`);
  process.exit(2);
}
const print = output === 'json' ? () => {} : (line: string) => console.log(line);
const results: ProgramResult[] = [];
for (const program of chosen) results.push(await check(program));
if (output === 'json') console.log(JSON.stringify(results, undefined, 2));
else print(`\n${renderTable(results)}`);
if (write) writeTable(results, (path, text) => writeFileSync(path, text));
process.exitCode = results.some(({ failed }) => failed.length > 0) ? 1 : 0;

async function check(program: InteropProgram): Promise<ProgramResult> {
  const { name, install, checks = [], suite } = program;
  const found = findExecutable(program);
  const executable = found === undefined ? undefined : program.prepare ? program.prepare(found) : found;
  const env = executable === undefined ? undefined : suite?.env(executable);
  if (executable === undefined || (suite && !env)) {
    print(`${name}: not run; ${install}`);
    return { name, install, version: undefined, total: checks.length, passed: 0, failed: [] };
  }
  const version = program.version(executable);
  print(`${name} ${version}`);
  const results: SuiteResult[] = suite && env ? [...runSuite(suite.file, env)] : [];
  for (const result of results) printResult(result);
  for (const { name: check, run } of checks) {
    const result = { name: check, failure: await failureOf(run, executable) };
    results.push(result);
    printResult(result);
  }
  const failed = results.flatMap(({ name: check, failure }) =>
    failure === undefined ? [] : [{ check, why: failure }],
  );
  return { name, install, version, total: results.length, passed: results.length - failed.length, failed };
}

async function failureOf(
  run: (executable: string) => Promise<void>,
  executable: string,
): Promise<string | undefined> {
  try {
    await run(executable);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function printResult({ name, failure }: SuiteResult): void {
  if (failure === undefined) print(`  ok      ${name}`);
  else print(`  FAILED  ${name}\n          ${failure.replaceAll('\n', '\n          ')}`);
}
