import type { ServiceError } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  EXPORTED_SERVICE_LIST_URL,
  EXPORTED_SERVICE_URL,
  exportedServiceListMessage,
  PEERING_TRUST_BUNDLE_URL,
} from '../../../src/grpc/index.ts';
import { silentLog, systemClock, systemRandom } from '../../../src/platform/index.ts';
import { pemFromCertificates } from '../../../src/spiffe/index.ts';
import { SdsClient } from '../../../src/workload-api/index.ts';
import { createTestCa } from '../../../testkit/test-ca.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { Peer } from '../support/peer.ts';
import { CLUSTER_ID, startConsul } from '../support/meshes.ts';
import { until } from '../../../testkit/until.ts';

const OWN = `${CLUSTER_ID}.consul`;

let folder: ReturnType<typeof tempDir>;
let started: Awaited<ReturnType<typeof startConsul>>;
let proxy: SdsClient;
const peers: Peer[] = [];

beforeEach(async () => {
  folder = tempDir();
  started = await startConsul(folder.path);
  proxy = new SdsClient({
    socketPath: started.options.workloads[0]?.sdsSocket ?? '',
    resourceNames: ['ROOTCA'],
    nodeId: 'info',
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  proxy.start();
});
afterEach(async () => {
  for (const peer of peers.splice(0)) peer.close();
  await proxy.stop();
  await started.mesh.stop();
  folder[Symbol.dispose]();
});

async function post(path: string, body: object) {
  const response = await fetch(started.url + path, { method: 'POST', body: JSON.stringify(body) });
  return { status: response.status, text: await response.text() };
}

async function peering(name: string) {
  const response = await fetch(`${started.url}/v1/peering/${name}`);
  return response.status === 200 ? response.json() : undefined;
}

async function newPeer(name: string): Promise<Peer> {
  const { status, text } = await post('/v1/peering/token', { PeerName: name });
  expect(status).toBe(200);
  const peer = new Peer(JSON.parse(text).PeeringToken);
  peers.push(peer);
  return peer;
}

/** A peer with an open stream. */
async function connectedPeer(name: string): Promise<Peer> {
  const peer = await newPeer(name);
  peer.open(await peer.exchange());
  await until(() => peer.received.length >= 3, 'the subscriptions');
  return peer;
}

/** What the proxy of the mesh trusts: number of certificates by trust domain. */
function trusted(): Record<string, number> {
  const secret = proxy.current('ROOTCA');
  if (secret?.kind !== 'spiffe-validation') return {};
  return Object.fromEntries(
    secret.trustDomains.map(({ name, trustBundlePem }) => [
      name,
      trustBundlePem.split('BEGIN CERTIFICATE').length - 1,
    ]),
  );
}

describe('a peering token', () => {
  it('carries what a peer needs to dial, and begins the peering as PENDING', async () => {
    const peer = await newPeer('west');
    expect(peer.token).toMatchObject({
      ServerAddresses: [`127.0.0.1:${started.mesh.peeringAddress().port}`],
      ServerName: `server.dc1.peering.${OWN}`,
      Remote: { Partition: 'default', Datacenter: 'dc1' },
    });
    expect(peer.token.CA).toHaveLength(1);
    expect(await peering('west')).toMatchObject({ ID: peer.token.PeerID, Name: 'west', State: 'PENDING' });
    expect(JSON.stringify(await peering('west'))).not.toContain(peer.token.EstablishmentSecret);
  });

  it('is refused for a name that is not a lower-case label', async () => {
    expect((await post('/v1/peering/token', { PeerName: 'west' })).status).toBe(200);
    for (const PeerName of ['', 'West', 'a.b', '-a']) {
      expect((await post('/v1/peering/token', { PeerName })).status).toBe(400);
    }
  });
});

describe('ExchangeSecret', () => {
  it('gives a stream secret once, and PERMISSION_DENIED after that and for a wrong secret', async () => {
    const peer = await newPeer('west');
    await expect(peer.exchange('wrong')).rejects.toMatchObject({ code: 7 });
    expect(await peer.exchange()).toMatch(/^[0-9a-f-]{36}$/);
    await expect(peer.exchange()).rejects.toMatchObject({ code: 7 });
    await expect(peer.exchange('x', 'unknown')).rejects.toMatchObject({ code: 5 });
  });
});

describe('StreamResources', () => {
  it('subscribes to bundles and exports, and sends nothing without a subscription', async () => {
    const peer = await connectedPeer('west');
    expect(new Set(peer.received.map(({ request }) => request?.resource_url))).toEqual(
      new Set([EXPORTED_SERVICE_LIST_URL, EXPORTED_SERVICE_URL, PEERING_TRUST_BUNDLE_URL]),
    );
    expect(peer.received.every(({ request }) => request?.response_nonce === '')).toBe(true);
    expect(await peering('west')).toMatchObject({ State: 'ACTIVE', Remote: { Datacenter: 'federate' } });
  });

  it('takes the trust bundle, acknowledges its nonce, and hands it to proxies by trust domain', async () => {
    const peer = await connectedPeer('west');
    const ca = await createTestCa({ trustDomain: 'istio.example' });
    peer.sendBundle('istio.example', [pemFromCertificates([ca.root])], 'a1');
    await until(() => peer.answers().length === 1, 'the answer');
    expect(peer.answers()).toEqual([{ nonce: 'a1', error: undefined }]);
    await until(() => trusted()['istio.example'] === 1, 'the push');
    expect(trusted()).toEqual({ [OWN]: 1, 'istio.example': 1 });
    expect(started.mesh.status().foreign).toEqual([
      { trustDomain: 'istio.example', fingerprints: [ca.authority.fingerprint], source: 'west' },
    ]);
  });

  it('refuses with an error what it cannot accept, and keeps what it had', async () => {
    const peer = await connectedPeer('west');
    const ca = await createTestCa({ trustDomain: 'istio.example' });
    peer.sendBundle('istio.example', [pemFromCertificates([ca.root])], 'a1');
    await until(() => peer.answers().length === 1, 'the answer');
    const response = { nonce: 'a2', resource_url: PEERING_TRUST_BUNDLE_URL, resource_id: 'roots' };
    const value = Buffer.from('ffff', 'hex');
    peer.send({
      response: { ...response, operation: 1, resource: { type_url: PEERING_TRUST_BUNDLE_URL, value } },
    });
    peer.send({ response: { ...response, nonce: 'a3', operation: 2 } });
    await until(() => peer.answers().length === 3, 'the answers');
    expect(peer.answers().slice(1)).toEqual([
      { nonce: 'a2', error: expect.stringContaining('does not parse') },
      { nonce: 'a3', error: expect.stringContaining('unsupported operation') },
    ]);
    expect(started.mesh.status().foreign).toHaveLength(1);
  });

  it('sends the own roots to a subscriber, again after each change, each with a nonce of its own', async () => {
    const peer = await connectedPeer('west');
    peer.subscribe(PEERING_TRUST_BUNDLE_URL);
    await until(() => peer.bundles().length === 1, 'the bundle');
    expect(peer.bundles()[0]).toMatchObject({
      trust_domain: OWN,
      root_pems: [expect.stringContaining('CERTIFICATE')],
    });
    peer.subscribe(PEERING_TRUST_BUNDLE_URL, peer.bundles()[0]?.nonce);
    await started.mesh.rotate('publish');
    await until(() => peer.bundles().length === 2, 'the new bundle');
    expect(peer.bundles()[1]?.root_pems).toHaveLength(2);
    expect(peer.bundles()[1]?.nonce).not.toBe(peer.bundles()[0]?.nonce);
  });

  it('logs what the peer refuses', async () => {
    const peer = await connectedPeer('west');
    peer.subscribe(PEERING_TRUST_BUNDLE_URL);
    await until(() => peer.bundles().length === 1, 'the bundle');
    peer.subscribe(PEERING_TRUST_BUNDLE_URL, peer.bundles()[0]?.nonce, { code: 3, message: 'not ours' });
    await until(
      () => started.log.records.some(({ fields }) => fields['reason'] === 'not ours'),
      'the record',
    );
    expect(started.log.records.find(({ fields }) => fields['reason'] === 'not ours')?.level).toBe('warn');
  });

  it('lists the services that are exported to this peer', async () => {
    const peer = await connectedPeer('west');
    peer.subscribe(EXPORTED_SERVICE_LIST_URL);
    const lists = () =>
      peer.received.flatMap(({ response }) =>
        response?.resource && response.resource_url === EXPORTED_SERVICE_LIST_URL
          ? [exportedServiceListMessage.decode(response.resource.value).services]
          : [],
      );
    await until(() => lists().length === 1, 'the first list');
    await fetch(`${started.url}/v1/config`, {
      method: 'PUT',
      body: JSON.stringify({
        Kind: 'exported-services',
        Name: 'default',
        Services: [
          { Name: 'info', Consumers: [{ Peer: 'west' }] },
          { Name: 'other', Consumers: [{ Peer: 'east' }] },
        ],
      }),
    });
    await until(() => lists().length === 2, 'the second list');
    expect(lists()).toEqual([[], ['info']]);
  });

  it('sends heartbeats and gives a silent peer up after two minutes', async () => {
    const peer = await connectedPeer('west');
    await started.clock.advance(15_000);
    await until(() => peer.received.some(({ heartbeat }) => heartbeat !== undefined), 'a heartbeat');
    await started.clock.advance(110_000);
    await until(() => peer.ended !== undefined, 'the end');
    expect((await peering('west'))?.State).toBe('FAILING');
  });

  it('refuses a first message that is not Open, a wrong secret, and an unknown peering', async () => {
    const peer = await newPeer('west');
    const secret = await peer.exchange();
    peer.open('wrong');
    await until(() => peer.ended !== undefined, 'the end');
    expect(peer.ended?.code).toBe(7);
    peer.token.PeerID = 'unknown';
    peer.open(secret);
    await until(() => peer.ended !== undefined, 'the end');
    expect(peer.ended?.code).toBe(5);
  });

  it('lets the peer return with its stream secret', async () => {
    const peer = await newPeer('west');
    const secret = await peer.exchange();
    peer.open(secret);
    await until(() => peer.received.length >= 3, 'the subscriptions');
    peer.hangUp();
    await until(() => peer.ended !== undefined, 'the end');
    expect((await peering('west'))?.State).toBe('FAILING');
    peer.open(secret);
    await until(() => peer.received.length >= 6, 'the subscriptions');
    expect((await peering('west'))?.State).toBe('ACTIVE');
  });

  it('sends a dialer away to the leader', async () => {
    started.mesh.redirectPeersTo('10.0.0.1:8503');
    const peer = await newPeer('west');
    await expect(peer.exchange()).rejects.toMatchObject({ code: 9 });
    const error = await peer.exchange().catch((caught: ServiceError) => caught);
    const [details] = typeof error === 'string' ? [] : error.metadata.get('grpc-status-details-bin');
    expect(details?.toString()).toContain('10.0.0.1:8503');
  });

  it('is reachable after a root rotation with the token from before', async () => {
    const peer = await newPeer('west');
    for (const step of ['publish', 'activate', 'retire'] as const) await started.mesh.rotate(step);
    peer.open(await peer.exchange());
    await until(() => peer.received.length >= 3, 'the subscriptions');
    expect((await peering('west'))?.State).toBe('ACTIVE');
  });
});

describe('trust domains that peers claim', () => {
  it('are not checked: the last one replaces the others, as in the product', async () => {
    const first = await connectedPeer('a-first');
    const second = await connectedPeer('b-second');
    const one = await createTestCa({ trustDomain: 'istio.example' });
    const two = await createTestCa({ trustDomain: 'other.example' });
    first.sendBundle('istio.example', [pemFromCertificates([one.root])]);
    await until(() => trusted()['istio.example'] === 1, 'the first');
    second.sendBundle('istio.example', [pemFromCertificates([two.root]), pemFromCertificates([one.root])]);
    await until(() => trusted()['istio.example'] === 2, 'the second');
    second.sendBundle(OWN, [pemFromCertificates([two.root]), pemFromCertificates([one.root])], '02');
    await until(() => trusted()[OWN] === 2, 'the takeover');
    expect(trusted()['istio.example']).toBe(1);
  });
});

describe('the end of a peering', () => {
  it('DELETE removes the trust at once, notifies the peer, and removes the row in the background', async () => {
    const peer = await connectedPeer('west');
    const ca = await createTestCa({ trustDomain: 'istio.example' });
    peer.sendBundle('istio.example', [pemFromCertificates([ca.root])]);
    await until(() => trusted()['istio.example'] === 1, 'the push');
    expect((await fetch(`${started.url}/v1/peering/west`, { method: 'DELETE' })).status).toBe(200);
    await until(() => peer.received.some(({ terminated }) => terminated !== undefined), 'the word');
    await until(() => trusted()['istio.example'] === undefined, 'the push');
    expect(await peering('west')).toMatchObject({ State: 'DELETING' });
    expect((await post('/v1/peering/token', { PeerName: 'west' })).status).toBe(500);
    await started.clock.advance(1000);
    expect(await peering('west')).toBeUndefined();
    expect((await post('/v1/peering/token', { PeerName: 'west' })).status).toBe(200);
  });

  it('Terminated of the peer removes its trust and leaves the peering TERMINATED', async () => {
    const peer = await connectedPeer('west');
    const ca = await createTestCa({ trustDomain: 'istio.example' });
    peer.sendBundle('istio.example', [pemFromCertificates([ca.root])]);
    await until(() => trusted()['istio.example'] === 1, 'the push');
    peer.send({ terminated: {} });
    await until(() => trusted()['istio.example'] === undefined, 'the push');
    expect(await peering('west')).toMatchObject({ State: 'TERMINATED' });
    const again = await connectedPeer('west');
    expect(again.token.PeerID).not.toBe(peer.token.PeerID);
    expect(await peering('west')).toMatchObject({ State: 'ACTIVE' });
  });

  it('a lost stream takes no trust', async () => {
    const peer = await connectedPeer('west');
    const ca = await createTestCa({ trustDomain: 'istio.example' });
    peer.sendBundle('istio.example', [pemFromCertificates([ca.root])]);
    await until(() => trusted()['istio.example'] === 1, 'the push');
    peer.close();
    await until(() => started.log.records.length > 0, 'a turn');
    for (let turn = 0; (await peering('west'))?.State !== 'FAILING' && turn < 1000; turn += 1);
    expect(trusted()['istio.example']).toBe(1);
  });
});

describe('two clusters', () => {
  it('peer with each other: one gives a token, the other establishes with it', async () => {
    const other = await startConsul(`${folder.path}/other`, { uuid: '99999999-2222-3333-4444-555555555555' });
    try {
      const { text } = await post('/v1/peering/token', { PeerName: 'east' });
      const { PeeringToken } = JSON.parse(text);
      const own = await post('/v1/peering/establish', { PeerName: 'self', PeeringToken });
      expect(own.status).toBe(400);
      const establish = (token: string) =>
        fetch(`${other.url}/v1/peering/establish`, {
          method: 'POST',
          body: JSON.stringify({ PeerName: 'west', PeeringToken: token }),
        });
      expect((await establish('nonsense')).status).toBe(400);
      expect((await establish(PeeringToken)).status).toBe(200);
      const held = (mesh: typeof started.mesh) => mesh.status().foreign.map(({ trustDomain }) => trustDomain);
      await until(() => held(started.mesh).length === 1 && held(other.mesh).length === 1, 'both bundles');
      expect(held(started.mesh)).toEqual([other.mesh.trustDomain]);
      expect(held(other.mesh)).toEqual([started.mesh.trustDomain]);
      await fetch(`${started.url}/v1/peering/east`, { method: 'DELETE' });
      await until(() => held(other.mesh).length === 0, 'the end');
    } finally {
      await other.mesh.stop();
    }
  });
});
