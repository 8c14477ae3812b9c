import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { isNarrowedAnchor, parseTrustDomain, pemFromCertificates } from '../../src/spiffe/index.ts';
import { presentCa } from '../../testkit/agent-process.ts';
import { type RunningAgent, startAgents } from '../../testkit/running-agents.ts';
import type { InteropCheck } from '../support/program.ts';
import { until } from '../support/until.ts';
import { Cluster } from './cluster.ts';
import { apiServerBeside } from './executables.ts';
import { ISTIO_TRUST_DOMAIN, MESH, prepareIstio } from './istio-cluster.ts';
import { type Istiod, startIstiod } from './istiod-process.ts';

/** An Istio without an agent of its own, whose peer is an agent of ours. */
export const istioPeerChecks: readonly InteropCheck[] = [
  {
    name: '`export-config --for istio`, pasted into its mesh config: pushed, and narrowed',
    run: (executable) =>
      withPeer(executable, async ({ ours, write, pushed }) => {
        const { answer } = await ours.home.ask<{ config: string }>('export-config', '--for', 'istio');
        write(answer.config);
        await until('the anchor in a push', () =>
          pushed().some((root) => isNarrowedAnchor(root, parseTrustDomain(PEER))),
        );
      }),
  },
  {
    name: 'its `spiffeBundleUrl` fetches our bundle endpoint (https_web)',
    run: (executable) =>
      withPeer(executable, async ({ ours, write, pushed }) => {
        const { der } = ours.ca.authority;
        const ourRoot = () => pushed().some((root) => Buffer.compare(root.der, der) === 0);
        assert(!ourRoot());
        write(
          `caCertificates:\n- spiffeBundleUrl: ${JSON.stringify(ours.home.url)}\n  trustDomains: [${PEER}]`,
        );
        await until('our root in a push', ourRoot);
      }),
  },
];

const PEER = 'peer.example';

interface Peers {
  readonly ours: RunningAgent;
  /** Puts that below the mesh config. */
  readonly write: (text: string) => void;
  readonly pushed: () => Istiod['pushed'];
}

async function withPeer(executable: string, work: (peers: Peers) => Promise<void>): Promise<void> {
  await using cluster = await Cluster.start(apiServerBeside() ?? '');
  await prepareIstio(cluster, await presentCa(ISTIO_TRUST_DOMAIN, 'O=istio.example'));
  await using agents = await startAgents([{ trustDomain: PEER, profile: 'https_web' }]);
  const [ours] = agents.all;
  assert(ours);
  const [mesh, webCa] = [cluster.file('mesh'), agents.file('web-ca.pem')];
  writeFileSync(mesh, MESH);
  writeFileSync(webCa, pemFromCertificates([agents.webCa.root]));
  // istiod knows the Web PKI of its system only, which this variable of Go's names.
  await using istiod = await startIstiod(executable, cluster, [`--meshConfig=${mesh}`], {
    SSL_CERT_FILE: webCa,
  });
  await work({
    ours,
    write: (text) => writeFileSync(mesh, `${MESH.trimEnd()}\n${text}\n`),
    pushed: () => istiod.pushed,
  });
}
