import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spireServerConfig, spireSocket } from '../interop/support/spire-config.ts';
import { tempDir } from '../testkit/temp-dir.ts';
import { writeBenchFiles } from './support/bench-files.ts';
import { type Running, startOurs } from './support/beside.ts';
import { rowsOfEndpoints } from './support/endpoint-rows.ts';
import type { Bench } from './support/measure.ts';
import { findProgram, freePort, startServer, untilListening } from './support/process.ts';

const NOT_FOUND = 'no spire-server: name it in FEDERATE_SPIRE_SERVER, or have it on the PATH';

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
    return await rowsOfEndpoints('endpoint by SVID', 'SPIRE', ours, spire, targets, NOT_FOUND);
  },
};

/** A SPIRE server that listens, and its bundle in a file, for ours to serve the same. */
async function startSpire(
  executable: string,
  folder: string,
): Promise<Running & { readonly served: { readonly bundle: string; readonly trustDomain: string } }> {
  const [apiPort, endpointPort] = [await freePort(), await freePort()];
  const config = join(folder, 'server.conf');
  mkdirSync(join(folder, 'data'));
  writeFileSync(config, spireServerConfig({ folder, apiPort, endpointPort, keys: 'memory' }));
  const child = startServer(executable, ['run', '-config', config]);
  await untilListening(endpointPort, 30);
  const shown = spawnSync(
    executable,
    ['bundle', 'show', '-format', 'spiffe', '-socketPath', spireSocket(folder)],
    { encoding: 'utf8' },
  );
  if (shown.status !== 0) throw new Error(`spire-server shows no bundle: ${shown.stderr}`);
  const bundle = join(folder, 'spire-bundle.json');
  writeFileSync(bundle, shown.stdout);
  return { child, port: endpointPort, served: { bundle, trustDomain: 'spire.example' } };
}
