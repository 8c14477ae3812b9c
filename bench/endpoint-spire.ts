import { tempDir } from '../testkit/temp-dir.ts';
import { writeBenchFiles } from './support/bench-files.ts';
import { startOurs } from './support/beside.ts';
import { rowsOfEndpoints } from './support/endpoint-rows.ts';
import type { Bench } from './support/measure.ts';
import { findProgram } from './support/process.ts';
import { NO_SPIRE, startSpire } from './support/spire-server.ts';

/** Bundle endpoint requests beside the endpoint of a SPIRE server, both with an X509-SVID (`https_spiffe`) and SPIRE's own bundle. */
export const endpointSpire: Bench = {
  name: 'endpoint-spire',
  async run({ quick }) {
    using folder = tempDir();
    const files = await writeBenchFiles(folder.path);
    const executable = findProgram(process.env['FEDERATE_SPIRE_SERVER'] ?? 'spire-server');
    const spire = executable === undefined ? undefined : await startSpire(executable, folder.path);
    await using _spire = spire?.child;
    const server = new URL('./programs/endpoint-server.ts', import.meta.url);
    const ours = await startOurs(server, { ...files, profile: 'https_spiffe', ...spire?.served });
    await using _ours = ours.child;
    const targets = { quick, kept: 1.5, each: 0.6 };
    return await rowsOfEndpoints('endpoint by SVID', 'SPIRE', ours, spire, targets, NO_SPIRE);
  },
};
