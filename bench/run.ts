import { parseArgs } from 'node:util';
import { endpoint } from './endpoint.ts';
import { endpointSpire } from './endpoint-spire.ts';
import { gateway } from './gateway.ts';
import { handshake } from './handshake.ts';
import { history } from './history.ts';
import { propagation } from './propagation.ts';
import { push } from './push.ts';
import { rotation } from './rotation.ts';
import { start } from './start.ts';
import { sweep } from './sweep.ts';
import type { Bench, BenchRow } from './support/measure.ts';
import { verification } from './verification.ts';
import { waiting } from './waiting.ts';

const ALL: readonly Bench[] = [
  verification,
  handshake,
  endpoint,
  endpointSpire,
  gateway,
  sweep,
  history,
  propagation,
  push,
  rotation,
  waiting,
  start,
];

/** `npm run bench [-- --only NAME] [--quick] [--output json]`: every figure the project promises, measured here and now. */
function readArguments() {
  try {
    return parseArgs({
      options: {
        only: { type: 'string', multiple: true },
        quick: { type: 'boolean', default: false },
        output: { type: 'string', default: 'text' },
      },
    });
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
    console.error('npm run bench [-- --only NAME] [--quick] [--output json]');
    return process.exit(2);
  }
}

const { values } = readArguments();
const chosen = values.only ? ALL.filter((bench) => values.only?.includes(bench.name)) : ALL;
if (chosen.length === 0) {
  console.error(`--only takes one of: ${ALL.map((bench) => bench.name).join(', ')}`);
  process.exit(2);
}
const json = values.output === 'json';
if (!json) {
  console.log(
    `Node ${process.versions.node}; the machine may be shared and noisy: medians of interleaved runs.\nRatios beside another server are of processor time per operation; above 1 (latency: below 1) ours is better.\n`,
  );
}
for (const bench of chosen) {
  if (!json) console.log(bench.name);
  try {
    for (const row of await bench.run({ quick: values.quick })) print(bench.name, row);
  } catch (error) {
    print(bench.name, {
      what: bench.name,
      value: 'failed',
      reached: false,
      note: error instanceof Error ? error.message : String(error),
    });
    process.exitCode = 1;
  }
}

function print(name: string, row: BenchRow): void {
  if (json) {
    console.log(JSON.stringify({ bench: name, ...row }));
    return;
  }
  const target =
    row.target === undefined
      ? ''
      : `${row.target.padEnd(12)} ${row.reached === true ? 'reached' : 'NOT reached'}`;
  console.log(`  ${row.what.padEnd(46)} ${row.value.padStart(14)}  ${target}`.trimEnd());
  if (row.note !== undefined) console.log(`      ${row.note}`);
}
