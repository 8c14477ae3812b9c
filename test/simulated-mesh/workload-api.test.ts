import { createPrivateKey, X509Certificate } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { spiffeWorkloadService, type X509SvidResponse } from '../../src/grpc/index.ts';
import { createIstioAdapter } from '../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../src/platform/index.ts';
import { bundleOf, parseTrustDomain, verifyX509Svid, x509AuthorityFromDer } from '../../src/spiffe/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa } from '../../testkit/test-ca.ts';
import { WorkloadCaller, workloadHeader } from '../../testkit/workload-caller.ts';
import { kubernetesClient } from './support/kubernetes-client.ts';
import { CLUSTER_ID, startConsul, startIstio } from './support/meshes.ts';
import { until } from '../../testkit/until.ts';
import { Peer } from './support/peer.ts';

const { FetchX509SVID, FetchX509Bundles, FetchJWTSVID } = spiffeWorkloadService;
const CONSUL = `${CLUSTER_ID}.consul`;

const closing: (() => Promise<void> | void)[] = [];
let folder: ReturnType<typeof tempDir>;
beforeEach(() => {
  folder = tempDir();
  closing.push(() => folder[Symbol.dispose]());
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function istio(more: Parameters<typeof startIstio>[1] = {}) {
  const started = await startIstio(folder.path, more);
  closing.push(() => started.mesh.stop());
  return started;
}

async function consul() {
  const started = await startConsul(folder.path);
  closing.push(() => started.mesh.stop());
  return started;
}

function callerOf(socket: string, metadata = workloadHeader('true')): WorkloadCaller {
  const caller = new WorkloadCaller(`${folder.path}/sds/${socket}.sock`, metadata);
  closing.push(() => caller[Symbol.dispose]());
  return caller;
}

/** The messages of a stream, one by one, until the end of the test. */
function watch<Message>(stream: AsyncGenerator<Message, void, void>) {
  closing.push(async () => void (await stream.return()));
  const next = async (): Promise<Message> => {
    const { value } = await stream.next();
    if (!value) throw new Error('the stream ended');
    return value;
  };
  return { next };
}

/** The certificates of a value, which are DER one after the other. */
function certificatesIn(bytes: Buffer): X509Certificate[] {
  const found: X509Certificate[] = [];
  for (let rest = bytes; rest.length > 0; rest = rest.subarray(found.at(-1)?.raw.length ?? 0))
    found.push(new X509Certificate(rest));
  return found;
}

const bundleIn = (trustDomain: string, bytes: Buffer | undefined) =>
  bundleOf(
    parseTrustDomain(trustDomain),
    certificatesIn(bytes ?? Buffer.alloc(0)).map(({ raw }) => x509AuthorityFromDer(raw)),
  );

const idsIn = ({ svids }: X509SvidResponse) => svids.map(({ spiffe_id: id }) => id);
const rootsIn = ({ svids }: X509SvidResponse) => svids.flatMap(({ bundle }) => certificatesIn(bundle)).length;

describe('the Workload API of a simulated mesh', () => {
  it('gives each workload its own SVID with its key and bundle, and no other SVID (WLAPI-18, WLAPI-20)', async () => {
    const workload = (name: string) => ({
      name,
      namespace: 'shop',
      account: name,
      sdsSocket: `${folder.path}/sds/${name}.sock`,
    });
    await istio({ workloads: [workload('web'), workload('db')] });
    for (const name of ['web', 'db']) {
      const answer = await callerOf(name).first(FetchX509SVID, {});
      const id = `spiffe://istio.example/ns/shop/sa/${name}`;
      expect(idsIn(answer)).toEqual([id]);
      const [{ x509_svid: chainDer, x509_svid_key: keyDer, bundle } = expect.fail()] = answer.svids;
      const chain = certificatesIn(chainDer);
      const source = { bundleFor: () => bundleIn('istio.example', bundle) };
      expect(
        verifyX509Svid(
          chain.map(({ raw }) => raw),
          source,
          { now: new Date(), peerRole: 'server' },
        ).id,
      ).toBe(id);
      const key = createPrivateKey({ key: keyDer, format: 'der', type: 'pkcs8' });
      expect(chain[0]?.checkPrivateKey(key)).toBe(true);
      expect(answer.federated_bundles).toEqual({});
    }
  });

  it('pushes the complete state when the SVID is renewed and through a rotation of roots (WLAPI-13)', async () => {
    const { mesh, clock } = await istio({ svidTtlMs: 60_000 });
    const { next } = watch(callerOf('web').stream(FetchX509SVID, {}));
    const leafOf = ({ svids }: X509SvidResponse) => svids[0]?.x509_svid.toString('hex');
    const first = await next();
    await clock.untilSleeping();
    await clock.advance(30_000);
    const renewed = await next();
    expect(leafOf(renewed)).not.toBe(leafOf(first));
    expect([idsIn(renewed), rootsIn(renewed)]).toEqual([idsIn(first), 1]);
    await mesh.rotate('publish');
    const published = await next();
    expect([leafOf(published), rootsIn(published)]).toEqual([leafOf(renewed), 2]);
    await mesh.rotate('activate');
    // The phases changed, which workloads do not see; then there is an SVID of the new root.
    const activated = await next();
    expect(leafOf(activated)).not.toBe(leafOf(renewed));
    expect(rootsIn(activated)).toBe(2);
    await mesh.rotate('retire');
    const retired = await next();
    expect([leafOf(retired), rootsIn(retired)]).toEqual([leafOf(activated), 1]);
  });

  it('gives what the Istio adapter wrote as the bundle of its trust domain, which proves the foreign workload; and takes it back (WLAPI-19)', async () => {
    const { options } = await istio();
    await consul();
    const foreign = await callerOf('info').first(FetchX509SVID, {});
    const bundle = bundleIn(CONSUL, foreign.svids[0]?.bundle);
    const { next } = watch(callerOf('web').stream(FetchX509SVID, {}));
    expect((await next()).federated_bundles).toEqual({});
    const adapter = createIstioAdapter({
      kubernetes: { kind: 'kubeconfig', path: options.kubeconfigFile },
      systemNamespace: 'istio-system',
      meshConfigMap: 'istio',
      rootConfigMap: { namespace: 'istio-system', name: 'istio-ca-root-cert' },
      acceptUnnarrowed: false,
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
    });
    closing.push(() => adapter.stop());
    await adapter.applyForeignTrust([bundle], new AbortController().signal);
    const { federated_bundles: federated, svids } = await next();
    expect(Object.keys(federated)).toEqual([`spiffe://${CONSUL}`]);
    expect(svids).toHaveLength(1);
    const source = { bundleFor: () => bundleIn(CONSUL, federated[`spiffe://${CONSUL}`]) };
    const chain = certificatesIn(foreign.svids[0]?.x509_svid ?? Buffer.alloc(0)).map(({ raw }) => raw);
    expect(verifyX509Svid(chain, source, { now: new Date(), peerRole: 'server' }).id).toBe(idsIn(foreign)[0]);
    await adapter.applyForeignTrust([], new AbortController().signal);
    expect((await next()).federated_bundles).toEqual({});
  });

  it('has in the bundle of a trust domain only the anchors whose entry names it, and never one of our own name', async () => {
    const { options } = await istio();
    const west = await createTestCa({ trustDomain: 'west.example' });
    const stray = await createTestCa({ trustDomain: 'stray.example' });
    const { next } = watch(callerOf('web').stream(FetchX509Bundles, {}));
    const own = (await next()).bundles['spiffe://istio.example'];
    const agent = kubernetesClient(options.kubeconfigFile);
    const path = '/api/v1/namespaces/istio-system/configmaps/istio';
    const { body } = await agent.call('GET', path);
    const pem = (root: Uint8Array) => new X509Certificate(root).toString();
    const mesh = JSON.stringify({
      trustDomain: 'istio.example',
      caCertificates: [
        { pem: pem(west.root), trustDomains: ['west.example', 'istio.example', 'No Trust Domain'] },
        { pem: pem(stray.root), trustDomains: [] },
      ],
    });
    await agent.call('PUT', path, { ...body, data: { ...body.data, mesh } });
    expect((await next()).bundles).toEqual({
      'spiffe://istio.example': own,
      'spiffe://west.example': Buffer.from(west.root),
    });
  });

  it('gives what a peering brought: readable roots, each trust domain’s own, and never under our own name (WLAPI-19)', async () => {
    const { url } = await consul();
    const own = await callerOf('info').first(FetchX509SVID, {});
    const { next } = watch(callerOf('info').stream(FetchX509SVID, {}));
    expect((await next()).federated_bundles).toEqual({});
    const west = await createTestCa({ trustDomain: 'west.example' });
    const pem = new X509Certificate(west.root).toString();
    const peer = async (name: string) => {
      const answer = await fetch(`${url}/v1/peering/token`, {
        method: 'POST',
        body: JSON.stringify({ PeerName: name }),
      });
      const made = new Peer((await answer.json()).PeeringToken);
      closing.push(() => made.close());
      made.open(await made.exchange());
      await until(() => made.received.length >= 3, 'the subscriptions');
      return made;
    };
    const [westPeer, claimant] = [await peer('west'), await peer('claimant')];
    westPeer.sendBundle('west.example', [pem, 'no PEM at all']);
    const federated = await next();
    expect(federated.federated_bundles).toEqual({ 'spiffe://west.example': Buffer.from(west.root) });
    claimant.sendBundle(CONSUL, [pem]);
    await until(() => claimant.answers().length === 1, 'the answer');
    westPeer.sendBundle('west.example', [], '02');
    const last = await next();
    expect(last.federated_bundles).toEqual({});
    expect(last.svids).toEqual(own.svids);
  });

  it('signs no tokens, and refuses calls without the header (WLAPI-04, WLAPI-09)', async () => {
    await consul();
    const caller = callerOf('info');
    // The valid twin.
    expect(idsIn(await caller.first(FetchX509SVID, {}))).toEqual([
      `spiffe://${CONSUL}/ns/default/dc/dc1/svc/info`,
    ]);
    await expect(caller.call(FetchJWTSVID, { audience: ['x'], spiffe_id: '' })).rejects.toMatchObject({
      code: status.PERMISSION_DENIED,
    });
    await expect(callerOf('info', workloadHeader()).first(FetchX509SVID, {})).rejects.toMatchObject({
      code: status.INVALID_ARGUMENT,
    });
  });
});
