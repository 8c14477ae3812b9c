import assert from 'node:assert/strict';
import { presentCa } from '../../testkit/agent-process.ts';
import type { InteropCheck } from '../support/program.ts';
import { until } from '../support/until.ts';
import { certificatesIn } from './beside.ts';
import { Cluster } from './cluster.ts';
import {
  ISTIO_TRUST_DOMAIN,
  MESH,
  meshConfigMap,
  meshText,
  prepareIstio,
  replaceOwnRoots,
  startBesideIstio,
} from './istio-cluster.ts';
import { pemOf } from './objects.ts';

/** The Istio adapter at a real API server, with the rights of the docs and no more. */
export const istioChecks: readonly InteropCheck[] = [
  {
    name: 'Istio adapter: foreign roots into every revision, foreign content kept, out again to the letter',
    run: writeAndRestore,
  },
  { name: 'Istio adapter: own roots by watch, over a restart and a compaction (410)', run: ownRoots },
];

async function writeAndRestore(executable: string): Promise<void> {
  await using cluster = await Cluster.start(executable);
  await prepareIstio(cluster, await presentCa(ISTIO_TRUST_DOMAIN, 'O=istio.example'));
  await using beside = await startBesideIstio(cluster);
  assert.equal(await meshText(cluster), MESH);
  await beside.federate();
  await until('the anchor in the mesh config', async () => certificatesIn(await meshText(cluster)) === 1);
  const written = await meshText(cluster);
  assert(written.startsWith(MESH), 'what was there stays, to the letter');
  assert(!written.includes(pemOf(beside.peer.ca).split('\n')[1] ?? ''), 'the anchor is narrowed');
  await until(
    'the same in the other revision',
    async () => (await meshText(cluster, 'istio-canary')) === written,
  );

  await beside.rotatePeer();
  await until('both anchors', async () => certificatesIn(await meshText(cluster)) === 2);
  await beside.removePeer();
  for (const name of ['istio', 'istio-canary']) {
    await until(`${name} as it was`, async () => (await meshText(cluster, name)) === MESH);
    assert.equal((await meshConfigMap(cluster, name)).metadata.annotations, undefined);
  }
}

async function ownRoots(executable: string): Promise<void> {
  await using cluster = await Cluster.start(executable);
  const own = await presentCa(ISTIO_TRUST_DOMAIN, 'O=istio.example');
  await prepareIstio(cluster, own);
  await using beside = await startBesideIstio(cluster);
  const authorities = async () => (await beside.status()).own?.authorities;
  const second = await presentCa(ISTIO_TRUST_DOMAIN, 'O=istio.example');
  await replaceOwnRoots(cluster, own, second);
  await until('the second root', async () => (await authorities()) === 2);

  await cluster.restart();
  await cluster.compact();
  await replaceOwnRoots(cluster, second);
  await until('the first root to go', async () => (await authorities()) === 1);
}
