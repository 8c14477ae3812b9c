import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spireServerConfig, spireSocket } from '../../interop/support/spire-config.ts';
import type { Running } from './beside.ts';
import { freePort, startServer, untilListening } from './process.ts';

/** The note of a row whose SPIRE is missing. */
export const NO_SPIRE = 'no spire-server: name it in FEDERATE_SPIRE_SERVER, or have it on the PATH';

/** A SPIRE server that listens, and its bundle in a file, for ours to serve the same. */
export async function startSpire(
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
