import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { isNarrowedAnchor } from '../../src/spiffe/index.ts';
import { presentCa } from '../../testkit/agent-process.ts';
import { type Beside, PEER, startBeside } from '../kubernetes/beside.ts';
import { Cluster } from '../kubernetes/cluster.ts';
import { apiServerBeside } from '../kubernetes/executables.ts';
import { ISTIO_TRUST_DOMAIN, MESH, prepareIstio, startBesideIstio } from '../kubernetes/istio-cluster.ts';
import { istioPeerChecks } from '../kubernetes/istio-peer-checks.ts';
import { type Istiod, startIstiod } from '../kubernetes/istiod-process.ts';
import { istiodServicesChecks } from '../kubernetes/istiod-services-checks.ts';
import { pemOf } from '../kubernetes/objects.ts';
import { firstLineOf, type InteropProgram } from '../support/program.ts';
import { until } from '../support/until.ts';

/** istiod beside a real API server: what our adapter writes is accepted by it and pushed to its proxies. */
export const istiod: InteropProgram = {
  name: 'istiod',
  variable: 'FEDERATE_PILOT_DISCOVERY',
  command: 'pilot-discovery',
  version: (executable) => firstLineOf(executable, ['version'], /Version:"([^"]+)"/),
  install: 'the pilot-discovery of an Istio release, with kube-apiserver and etcd',
  prepare: (found) => (apiServerBeside() === undefined ? undefined : found),
  checks: [
    { name: 'pushes our narrowed anchors to a proxy, and takes them away', run: throughConfigMaps },
    { name: 'does the same through a mesh config in a file', run: throughFile },
    ...istioPeerChecks,
    ...istiodServicesChecks,
  ],
};

/** With federation the peer's anchor is pushed, after a rotation two of them, after the end none. */
async function anchorsComeAndGo(proxy: Istiod, beside: Beside): Promise<void> {
  const anchors = () => proxy.pushed.filter((root) => isNarrowedAnchor(root, PEER)).length;
  assert.equal(anchors(), 0);
  await beside.federate();
  await until('the anchor in a push', () => anchors() === 1);
  await beside.rotatePeer();
  await until('both anchors in a push', () => anchors() === 2);
  await beside.removePeer();
  await until('a push without anchors', () => anchors() === 0);
  assert(proxy.pushed.length > 0, 'the roots of the mesh are still there');
}

async function throughConfigMaps(executable: string): Promise<void> {
  await using cluster = await Cluster.start(apiServerBeside() ?? '');
  await prepareIstio(cluster, await presentCa(ISTIO_TRUST_DOMAIN, 'O=istio.example'));
  await using proxy = await startIstiod(executable, cluster);
  await using beside = await startBesideIstio(cluster);
  await anchorsComeAndGo(proxy, beside);
}

async function throughFile(executable: string): Promise<void> {
  await using cluster = await Cluster.start(apiServerBeside() ?? '');
  const own = await presentCa(ISTIO_TRUST_DOMAIN, 'O=istio.example');
  await prepareIstio(cluster, own);
  const [mesh, root] = [cluster.file('mesh'), cluster.file('root-cert.pem')];
  writeFileSync(mesh, MESH);
  writeFileSync(root, pemOf(own));
  await using proxy = await startIstiod(executable, cluster, [`--meshConfig=${mesh}`]);
  await using beside = await startBeside(ISTIO_TRUST_DOMAIN, {
    mesh: { kind: 'istio', mesh_config_file: mesh, own_pem_files: [root] },
  });
  await anchorsComeAndGo(proxy, beside);
  assert.equal(readFileSync(mesh, 'utf8'), MESH);
}
