import { silentWaits } from '../../src/demonstration/demo/until.ts';
import assert from 'node:assert/strict';
import { createLayout, names } from '../../src/demonstration/demo/layout.ts';
import { Meshes } from '../../src/demonstration/demo/meshes.ts';
import { systemClock } from '../../src/platform/index.ts';
import { ROTATION_STEPS } from '../../src/demonstration/simulated-mesh/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { Child } from './child.ts';
import type { InteropCheck } from './program.ts';

/** The two simulated meshes with their agents, federated or not yet, until the work is done. */
export async function withMeshes(work: (meshes: Meshes) => Promise<void>): Promise<void> {
  using folder = tempDir();
  const meshes = new Meshes(await createLayout(folder.path), silentWaits(systemClock));
  try {
    await meshes.start();
    await work(meshes);
  } finally {
    await meshes.stop();
  }
}

/** Has each of the two agents federate with the other, by pin. */
export async function federate(meshes: Meshes): Promise<void> {
  await meshes.add('istio', ['--pin', await meshes.pinOf('consul')]);
  await meshes.add('consul', ['--pin', await meshes.pinOf('istio')]);
}

/** What two workloads of the simulated meshes do with what the Workload API of their own socket gives them. */
export const meshWorkloadChecks: readonly InteropCheck[] = [
  {
    name: 'an X509Source in each simulated mesh: mTLS between them as soon as the meshes federate, through the rotation of both, and not any more when they part',
    run: (executable) => withMeshes((meshes) => callAcross(executable, meshes)),
  },
];

async function callAcross(executable: string, meshes: Meshes): Promise<void> {
  const { layout, control } = meshes;
  const words = ['source-serve', layout.consul('info-sds.sock'), names.backendId];
  await using server = new Child(executable, words);
  await server.until('its port', () => server.lines.length > 0);
  const url = `https://127.0.0.1:${String(server.lines[0]?.['port'])}/`;
  await using client = new Child(executable, [
    'source-call',
    layout.istio('backend-sds.sock'),
    url,
    names.infoId,
  ]);
  const failures = () => client.lines.filter(({ error }) => error !== undefined).length;
  const answered = () => client.lines.at(-1)?.['body'] === `hello ${names.backendId}`;
  await client.until('calls', () => client.lines.length > 2);
  assert(failures() === client.lines.length, 'strangers are refused');
  assert.match(String(client.lines.at(-1)?.['error']), /no X\.509 bundle for trust domain|bad certificate/);
  await federate(meshes);
  await client.until('a call to succeed', answered);
  const before = failures();
  for (const mesh of ['consul', 'istio'] as const) {
    const other = mesh === 'consul' ? 'istio' : 'consul';
    for (const step of ROTATION_STEPS) {
      const { roots, trustDomain } = await control[mesh].rotate(step);
      // The next step is for when the peers hold this one.
      await client.until(`${other} to hold ${roots.length} roots of ${mesh}`, async () => {
        const { foreign } = await control[other].status();
        return foreign.find((each) => each.trustDomain === trustDomain)?.fingerprints.length === roots.length;
      });
    }
  }
  const rotated = client.lines.length;
  await client.until('more calls', () => client.lines.length > rotated + 5);
  assert.equal(failures(), before, 'no call fails through two rotations');
  await meshes.ask('consul', ['remove', names.istio]);
  await client.until('calls to be refused', () => client.lines.at(-1)?.['error'] !== undefined);
}
