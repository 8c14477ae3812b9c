import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { goSpiffe } from './programs/go-spiffe.ts';
import { kubeApiserver } from './programs/kube-apiserver.ts';
import { spire } from './programs/spire.ts';
import { findExecutable, type InteropProgram } from './support/program.ts';
import { type ProgramResult, renderTable, writeTable } from './support/table.ts';

/** `npm run test:interop [-- --only NAME] [--output json] [--write]`: our agent with other people's programs, those that are here. */
const PROGRAMS: readonly InteropProgram[] = [goSpiffe, spire, kubeApiserver];

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
const tell = output === 'json' ? () => {} : (line: string) => console.log(line);
const results: ProgramResult[] = [];
for (const program of chosen) results.push(await check(program));
if (output === 'json') console.log(JSON.stringify(results, undefined, 2));
else tell(`\n${renderTable(results)}`);
if (write) writeTable(results, (path, text) => writeFileSync(path, text));
process.exitCode = results.some(({ failed }) => failed.length > 0) ? 1 : 0;

async function check(program: InteropProgram): Promise<ProgramResult> {
  const { name, install, checks } = program;
  const found = findExecutable(program);
  const executable = found === undefined ? undefined : program.prepare ? program.prepare(found) : found;
  const total = checks.length;
  if (executable === undefined) {
    tell(`${name}: not run; ${install}`);
    return { name, install, version: undefined, total, passed: 0, failed: [] };
  }
  const version = program.version(executable);
  tell(`${name} ${version}`);
  const failed: { check: string; why: string }[] = [];
  for (const { name: check, run } of checks) {
    try {
      await run(executable);
      tell(`  ok      ${check}`);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      failed.push({ check, why });
      tell(`  FAILED  ${check}\n          ${why.replaceAll('\n', '\n          ')}`);
    }
  }
  return { name, install, version, total, passed: total - failed.length, failed };
}
