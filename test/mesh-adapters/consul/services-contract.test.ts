import { createConsulAdapter } from '../../../src/mesh-adapters/index.ts';
import { peerNameOf } from '../../../src/mesh-adapters/consul/render.ts';
import { silentLog, systemClock, systemRandom } from '../../../src/platform/index.ts';
import { parseTrustDomain } from '../../../src/spiffe/index.ts';
import { meshServicesContract, type SeenImport } from '../../../testkit/contract/mesh-services-contract.ts';
import { createTestCa } from '../../../testkit/test-ca.ts';
import { FakeCluster } from './fake-cluster.ts';
import { FakeServices } from './fake-services.ts';

const PEERS = ['west.example', 'north.example'].map((name) => parseTrustDomain(name));
const { signal } = new AbortController();

meshServicesContract('createConsulAdapter().services', async () => {
  const cluster = await FakeCluster.start();
  const fake = new FakeServices(cluster);
  fake.peerings = PEERS.map((trustDomain) => ({
    Name: peerNameOf(trustDomain, 'federate-'),
    State: 'ACTIVE',
    Meta: { 'federate-trust-domain': trustDomain },
  }));
  fake.instances = [{ service: 'info' }, { service: 'plain' }];
  fake.put({ Kind: 'service-defaults', Name: 'plain', MutualTLSMode: 'permissive' });
  const adapter = createConsulAdapter({
    address: cluster.url,
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  const cas = await Promise.all(PEERS.map((trustDomain) => createTestCa({ trustDomain })));
  await adapter.applyForeignTrust(
    cas.map((ca) => ca.bundle()),
    signal,
  );
  if (!adapter.services) throw new TypeError('the Consul adapter knows services');
  const announced = () => [...fake.announcedBy.values()].flatMap((services) => [...services]);
  return {
    services: adapter.services,
    trustDomain: cluster.ca.trustDomain,
    exportable: 'info',
    unexportable: 'plain',
    caller: 'spiffe://west.example/ns/default/dc/dc1/svc/web',
    state: async () => JSON.stringify([announced(), fake.allEntries()]),
    imports: async () => {
      const seen: Record<string, SeenImport> = {};
      for (const [, { nodes }] of announced())
        for (const { service } of nodes) {
          const meta = service.connect?.peer_meta;
          const name = service.meta['federate-name'] ?? '';
          const sni = { [service.meta['federate-port'] ?? '']: meta?.sni.join() ?? '' };
          seen[name] = { spiffeIds: meta?.spiffe_id ?? [], sni: { ...seen[name]?.sni, ...sni } };
        }
      return seen;
    },
    addForeign: async () => {
      fake.put({
        Kind: 'exported-services',
        Name: 'default',
        Services: [{ Name: 'info', Consumers: [{ Peer: 'partner' }] }],
      });
      fake.put({
        Kind: 'service-intentions',
        Name: 'info',
        Sources: [{ Name: 'web', Action: 'allow', Description: 'by hand' }],
      });
    },
    // As a backup of Consul that was restored, and a writer that turns our sources around.
    edit: async () => {
      const edited = announced().length + fake.turnSources();
      fake.announcedBy.clear();
      return edited;
    },
    refuse: (service) => {
      fake.refusal = (name) =>
        service !== undefined && name.startsWith(service) ? 'no such luck' : undefined;
    },
    [Symbol.asyncDispose]: async () => {
      await adapter.stop();
      await cluster[Symbol.asyncDispose]();
    },
  };
});
