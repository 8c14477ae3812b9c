import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createConsulAdapter,
  examineConsul,
  type ForeignTrustReport,
  type MeshAdapter,
} from '../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../src/platform/index.ts';
import { parseSpiffeId } from '../../src/spiffe/index.ts';
import { createTestCa } from '../../testkit/test-ca.ts';
import { type ConsulServer, startConsul } from './consul-server.ts';
import { eventually, validNow } from './program.ts';

/** The path of a `consul` binary; without one the real product is not there and nothing here runs. */
const BINARY = process.env['FEDERATE_CONSUL'];
const { signal } = new AbortController();
const WEST = 'federate-west-example-ec326d4a';

describe.skipIf(BINARY === undefined)('the Consul adapter beside the real product', () => {
  let consul: ConsulServer;
  let adapter: MeshAdapter;
  let reports: ForeignTrustReport[];

  const peerings = async () =>
    ((await consul.call('GET', '/v1/peerings')) ?? []) as {
      Name: string;
      State: string;
      PeerCAPems?: string[];
    }[];
  const examine = async (tokenFile: string, ...ids: string[]) => {
    const { findings } = await examineConsul({
      address: consul.address,
      tokenFile,
      identities: ids.map(parseSpiffeId),
      service: 'info',
      clock: systemClock,
      signal,
    });
    return findings.map(({ code }) => code);
  };
  const west = () => createTestCa({ trustDomain: 'west.example', ...validNow() });

  beforeAll(async () => {
    consul = await startConsul(BINARY ?? '');
    reports = [];
    adapter = createConsulAdapter({
      address: consul.address,
      tokenFile: await consul.token('federate', 'peering = "write"'),
      clock: systemClock,
      random: systemRandom,
      log: silentLog,
    });
    adapter.onReport((report) => reports.push(report));
  });
  afterAll(async () => {
    await adapter.stop();
    await consul[Symbol.asyncDispose]();
  });

  it('hands over a bundle with a token that may write peerings and nothing else, and a change of it', async () => {
    const [one, two] = [await west(), await west()];
    const held = async () => (await peerings()).find(({ Name }) => Name === WEST)?.PeerCAPems?.length;
    // A cluster that has just begun has no certificate for its peers in its first moments.
    await eventually(
      async () => (await adapter.applyForeignTrust([one.bundle()], signal))[0]?.state === 'accepted',
    );
    expect(await held()).toBe(1);
    const both = { ...one.bundle(), x509Authorities: [one.authority, two.authority] };
    expect(await adapter.applyForeignTrust([both], signal)).toMatchObject([{ state: 'accepted' }]);
    expect(await held()).toBe(2);
  });

  it('tells what is exported to the trust domain', async () => {
    await consul.call('PUT', '/v1/config', {
      Kind: 'exported-services',
      Name: 'default',
      Services: [{ Name: 'info', Consumers: [{ Peer: WEST }] }],
    });
    await consul.call('PUT', '/v1/agent/service/register', { Name: 'info', Port: 1 });
    await eventually(() => reports.at(-1)?.code === 'services-exported');
    expect(reports.at(-1)?.message).toBe('exported to it: "info"');
  });

  it('says of a foreign identity why it cannot pass, and of a token what it may not see', async () => {
    const rules =
      'peering = "read" mesh = "read" agent_prefix "" { policy = "read" } service_prefix "" { policy = "read" intentions = "read" }';
    const reader = await consul.token('reader', rules);
    const consulForm = 'spiffe://west.example/ns/default/dc/dc1/svc/web';
    expect(await examine(reader, 'spiffe://west.example/ns/shop/sa/web', consulForm)).toEqual([
      'services-exported',
      'identity-not-consul-form',
      'intention-missing',
    ]);
    await consul.call('PUT', '/v1/config', {
      Kind: 'service-intentions',
      Name: 'info',
      Sources: [{ Name: 'web', Peer: WEST, Action: 'allow' }],
    });
    expect(await examine(reader, consulForm)).toEqual(['services-exported', 'identity-passes']);
    expect(await examine(await consul.token('blind', 'peering = "read"'))).toContain('token-may-not-read');
    await consul.call('PUT', '/v1/config', { Kind: 'service-defaults', Name: 'info', Protocol: 'http' });
    expect(await examine(reader, consulForm)).toEqual(['services-exported', 'intention-wants-mesh-gateway']);
  });

  it('makes a peering again that was deleted in Consul', async () => {
    await consul.call('DELETE', `/v1/peering/${WEST}`);
    await eventually(() => reports.some(({ code }) => code === 'peering-terminated'));
    await eventually(() => reports.at(-1)?.state === 'accepted');
    expect(await peerings()).toMatchObject([{ Name: WEST, State: 'ACTIVE' }]);
  });

  it('follows the own roots through a change of the CA', async () => {
    const seen: number[] = [];
    for await (const { roots } of adapter.watchOwnTrust(signal)) {
      seen.push(roots.length);
      if (seen.length > 1) break;
      await consul.call('PUT', '/v1/connect/ca/configuration', {
        Provider: 'consul',
        Config: { PrivateKeyType: 'ec', PrivateKeyBits: 384 },
      });
    }
    expect(seen).toEqual([1, 2]);
  });

  it('takes the trust away', async () => {
    expect(await adapter.applyForeignTrust([], signal)).toMatchObject([{ state: 'removed' }]);
    await eventually(async () => (await peerings()).length === 0);
    expect(await peerings()).toEqual([]);
  });
});
