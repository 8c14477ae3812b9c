import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { presentCa } from '../../testkit/agent-process.ts';
import type { InteropCheck } from '../support/program.ts';
import { until } from '../support/until.ts';
import { type Beside, certificatesIn, federate, PEER, startBeside } from './beside.ts';
import { Cluster } from './cluster.ts';
import {
  allowIstio,
  ISTIO_NAMESPACE,
  ISTIO_TRUST_DOMAIN,
  MESH,
  meshConfigMap,
  meshText,
  prepareIstio,
  startBesideIstio,
  writeMeshText,
} from './istio-cluster.ts';
import { configMapsIn } from './objects.ts';

/** What a cluster does to us beside the Istio adapter: each time one clear state, nothing lost, nothing foreign touched, healed without us. */
export const failureChecks: readonly InteropCheck[] = [
  { name: 'rights taken (403), an admission webhook that fails (500): told, healed', run: refusals },
  { name: 'the API server away and back with another certificate: told, healed', run: otherCertificate },
  { name: 'the API server hangs and goes on: told, healed', run: hangs },
  { name: 'a token of a service account ends, the next one in its file (401): told, healed', run: tokens },
  {
    name: 'a cluster restored from a backup: what it lost is written, what it brought back goes',
    run: backup,
  },
  {
    name: 'the mesh ConfigMap deleted, made anew by hand, its trust domain renamed: told, healed',
    run: deleted,
  },
  {
    name: 'somebody who writes the same ConfigMap in a loop (409): both keep what they wrote',
    run: contention,
  },
  { name: 'two agents beside one mesh: neither undoes the other', run: twoAgents },
];

/** A comparison comes once a minute where nothing is heard. */
const RESYNC_SECONDS = 80;
const WEBHOOKS = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';

async function withIstio(executable: string, work: (cluster: Cluster) => Promise<void>): Promise<void> {
  await using cluster = await Cluster.start(executable);
  await prepareIstio(cluster, await presentCa(ISTIO_TRUST_DOMAIN, 'O=istio.example'));
  await work(cluster);
}

/** The same with our agent beside it, and the anchor of a peer in it. */
async function withAnchor(
  executable: string,
  work: (cluster: Cluster, beside: Beside) => Promise<void>,
): Promise<void> {
  await withIstio(executable, async (cluster) => {
    await using beside = await startBesideIstio(cluster);
    await beside.federate();
    await until('the anchor', async () => (await anchorsIn(cluster)) === 1);
    await work(cluster, beside);
  });
}

const anchorsIn = async (cluster: Cluster, name?: string) => certificatesIn(await meshText(cluster, name));

/** Waits until `federate status` says this code of the mesh; null: that all is well. */
function untilReported(beside: Beside, code: string | null): Promise<boolean> {
  return until(`the status ${code}`, async () => (await beside.status()).mesh.code === code, RESYNC_SECONDS);
}

async function refusals(executable: string): Promise<void> {
  await withAnchor(executable, async (cluster, beside) => {
    const pin = (await beside.status()).own?.pin;

    await cluster.forbid('federate', ISTIO_NAMESPACE);
    await beside.rotatePeer();
    await untilReported(beside, 'mesh-forbidden');
    await until('the failure', async () => (await beside.inMesh())?.code === 'mesh-forbidden');
    assert.equal(await anchorsIn(cluster), 1);
    assert.equal((await beside.status()).own?.pin, pin, 'the own roots stay published');
    await allowIstio(cluster);
    await until('both anchors', async () => (await anchorsIn(cluster)) === 2, RESYNC_SECONDS);
    await untilReported(beside, null);

    await cluster.call('POST', WEBHOOKS, brokenWebhook());
    await until('the webhook to be asked', async () => {
      const mesh = await meshConfigMap(cluster);
      return (await cluster.ask('PUT', `${configMapsIn(ISTIO_NAMESPACE)}/istio`, mesh)).status === 500;
    });
    await beside.removePeer([1]);
    await untilReported(beside, 'mesh-unavailable');
    assert.equal(await anchorsIn(cluster), 2);
    await cluster.call('DELETE', `${WEBHOOKS}/broken`);
    await until('the mesh config as it was', async () => (await meshText(cluster)) === MESH, RESYNC_SECONDS);
    await untilReported(beside, null);
  });
}

/** Asks for every change of a ConfigMap somebody who is not there. */
function brokenWebhook() {
  return {
    metadata: { name: 'broken' },
    webhooks: [
      {
        name: 'broken.example.com',
        admissionReviewVersions: ['v1'],
        sideEffects: 'None',
        failurePolicy: 'Fail',
        timeoutSeconds: 1,
        clientConfig: { url: 'https://127.0.0.1:1/' },
        rules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['UPDATE'], resources: ['configmaps'] }],
      },
    ],
  };
}

async function otherCertificate(executable: string): Promise<void> {
  await withIstio(executable, async (cluster) => {
    await using beside = await startBesideIstio(cluster);
    await cluster.stopServer();
    await untilReported(beside, 'mesh-unreachable');
    await beside.federate();
    await until('the failure', async () => (await beside.inMesh())?.state === 'failed');
    cluster.replaceCertificates();
    await cluster.startServer();
    await until('the certificate to be refused', async () => (await beside.status()).mesh.code !== null);
    assert.equal(await anchorsIn(cluster), 0);
    cluster.writeKubeconfig();
    await until('the anchor', async () => (await anchorsIn(cluster)) === 1, RESYNC_SECONDS);
    await untilReported(beside, null);
  });
}

async function hangs(executable: string): Promise<void> {
  await withAnchor(executable, async (cluster, beside) => {
    const pin = (await beside.status()).own?.pin;
    cluster.hang(true);
    await beside.rotatePeer();
    await untilReported(beside, 'mesh-unreachable');
    await until('the failure', async () => (await beside.inMesh())?.state === 'failed');
    assert.equal((await beside.status()).own?.pin, pin, 'the own roots stay published');
    cluster.hang(false);
    await until('both anchors', async () => (await anchorsIn(cluster)) === 2, RESYNC_SECONDS);
    await untilReported(beside, null);
  });
}

async function tokens(executable: string): Promise<void> {
  await withIstio(executable, async (cluster) => {
    const accounts = `/api/v1/namespaces/${ISTIO_NAMESPACE}/serviceaccounts`;
    const tokenFile = cluster.file('projected-token');
    const writeToken = async () => {
      await cluster.call('POST', accounts, { metadata: { name: 'federate' } });
      const asked = { spec: { expirationSeconds: 600 } };
      const { status } = await cluster.call<{ status: { token: string } }>(
        'POST',
        `${accounts}/federate/token`,
        asked,
      );
      writeFileSync(tokenFile, status.token, { mode: 0o600 });
    };
    await writeToken();
    const account = { kind: 'ServiceAccount', name: 'federate', namespace: ISTIO_NAMESPACE };
    await allowIstio(cluster, account);
    const kubeconfig = cluster.writeKubeconfig(cluster.file('agent.kubeconfig'), { tokenFile });
    await using beside = await startBeside(ISTIO_TRUST_DOMAIN, { mesh: { kind: 'istio', kubeconfig } });
    await beside.federate();
    await until('the anchor', async () => (await anchorsIn(cluster)) === 1);
    // Its tokens end with the account.
    await cluster.call('DELETE', `${accounts}/federate`);
    await cluster.restart();
    await untilReported(beside, 'mesh-unauthenticated');
    await beside.rotatePeer();
    await writeToken();
    await until('both anchors', async () => (await anchorsIn(cluster)) === 2, RESYNC_SECONDS);
    await untilReported(beside, null);
  });
}

async function backup(executable: string): Promise<void> {
  await withIstio(executable, async (cluster) => {
    const marker = `${configMapsIn(ISTIO_NAMESPACE)}/marker`;
    /** What we do about it is done before a client could look; that the cluster forgot is seen by something else. */
    const restore = async (name: string) => {
      await cluster.call('POST', configMapsIn(ISTIO_NAMESPACE), { metadata: { name: 'marker' } });
      await cluster.restore(name);
      assert.equal((await cluster.ask('GET', marker)).status, 404, 'the backup is in its place');
    };
    assert.equal(await meshText(cluster), MESH);
    await cluster.backUp('before');
    await using beside = await startBesideIstio(cluster);
    await beside.federate();
    await until('the anchor', async () => (await anchorsIn(cluster)) === 1);
    await cluster.backUp('with-peer');
    await restore('before');
    await until(
      'the anchor to be written again',
      async () => (await anchorsIn(cluster)) === 1,
      RESYNC_SECONDS,
    );
    await beside.removePeer();
    await until('the mesh config as it was', async () => (await meshText(cluster)) === MESH, RESYNC_SECONDS);
    await restore('with-peer');
    await until('the anchor to go again', async () => (await meshText(cluster)) === MESH, RESYNC_SECONDS);
    await untilReported(beside, null);
  });
}

async function deleted(executable: string): Promise<void> {
  await withAnchor(executable, async (cluster, beside) => {
    const pin = (await beside.status()).own?.pin;
    await cluster.call('DELETE', `${configMapsIn(ISTIO_NAMESPACE)}/istio`);
    await untilReported(beside, 'mesh-not-found');
    assert.equal((await beside.status()).own?.pin, pin, 'the own roots stay published');
    await cluster.call('POST', configMapsIn(ISTIO_NAMESPACE), {
      metadata: { name: 'istio' },
      data: { mesh: MESH },
    });
    await until('the anchor again', async () => (await anchorsIn(cluster)) === 1, RESYNC_SECONDS);
    await untilReported(beside, null);

    const text = await meshText(cluster);
    await writeMeshText(cluster, text.replace(ISTIO_TRUST_DOMAIN, 'renamed.example'));
    await until('the other name to be told', async () => (await beside.status()).mesh.code !== null, 75);
    assert.equal((await beside.status()).trust_domain, ISTIO_TRUST_DOMAIN);
    assert.equal((await beside.status()).own?.pin, pin);
    await writeMeshText(cluster, text);
    await untilReported(beside, null);
  });
}

async function contention(executable: string): Promise<void> {
  await withIstio(executable, async (cluster) => {
    await using beside = await startBesideIstio(cluster);
    let written = 0;
    let over = false;
    const writing = (async () => {
      while (!over) {
        const mesh = await meshConfigMap(cluster);
        const labels = { ...mesh.metadata.labels, count: String(written + 1) };
        const changed = { ...mesh, metadata: { ...mesh.metadata, labels } };
        const { status } = await cluster.ask('PUT', `${configMapsIn(ISTIO_NAMESPACE)}/istio`, changed);
        if (status === 200) written += 1;
      }
    })();
    try {
      await beside.federate();
      await until('the anchor', async () => (await anchorsIn(cluster)) === 1, RESYNC_SECONDS);
      await beside.rotatePeer();
      await until('both anchors', async () => (await anchorsIn(cluster)) === 2, RESYNC_SECONDS);
      await beside.removePeer([0, 1]);
      await until('none', async () => (await meshText(cluster)) === MESH, RESYNC_SECONDS);
    } finally {
      over = true;
      await writing;
    }
    const { metadata } = await meshConfigMap(cluster);
    assert.equal(metadata.labels?.['count'], String(written), 'nothing that the other wrote is lost');
  });
}

async function twoAgents(executable: string): Promise<void> {
  await withIstio(executable, async (cluster) => {
    const [one, two] = [await startBesideIstio(cluster), await startBesideIstio(cluster)];
    await using _one = one;
    await using _two = two;
    await one.federate();
    await until('the anchor', async () => (await anchorsIn(cluster)) === 1);
    // A replica wants the same.
    await federate(two.ours, one.peer);
    await until('the replica to be content', async () => (await two.inMesh())?.state === 'written');
    const { resourceVersion } = (await meshConfigMap(cluster)).metadata;
    await one.ours.home.ask('refresh', PEER);
    await two.ours.home.ask('refresh', PEER);
    assert.equal((await meshConfigMap(cluster)).metadata.resourceVersion, resourceVersion);
    await one.rotatePeer();
    await until('both anchors', async () => (await anchorsIn(cluster)) === 2, RESYNC_SECONDS);
    await until('both in each revision', async () => (await anchorsIn(cluster, 'istio-canary')) === 2);
  });
}
