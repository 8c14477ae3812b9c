import { firstLineOf, type InteropProgram } from '../support/program.ts';
import { spireAdapterChecks } from '../support/spire-adapter-checks.ts';
import { spirePolledChecks } from '../support/spire-polled-checks.ts';
import { spirePollsUsChecks } from '../support/spire-polls-us-checks.ts';
import { spireSvidChecks } from '../support/spire-svid-checks.ts';
import { spireWorkloadChecks } from '../support/spire-workload-checks.ts';

/** SPIRE, which federates by the same standard: each polls the other, its workloads get our roots, and our adapter writes into it. */
export const spire: InteropProgram = {
  name: 'spire',
  variable: 'FEDERATE_SPIRE_SERVER',
  command: 'spire-server',
  version: (executable) => firstLineOf(executable, ['-version']),
  install: 'a SPIRE release; spire-agent beside spire-server',
  checks: [
    ...spirePolledChecks,
    ...spirePollsUsChecks,
    ...spireWorkloadChecks,
    ...spireAdapterChecks,
    ...spireSvidChecks,
  ],
};
