import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { createConsulAdapter, type ForeignTrustReport } from '../../../src/mesh-adapters/index.ts';
import { silentLog, systemClock, systemRandom } from '../../../src/platform/index.ts';
import { parseTrustDomain } from '../../../src/spiffe/index.ts';
import { meshAdapterContract } from '../../../testkit/contract/mesh-adapter-contract.ts';
import { CLUSTER_ID, startConsul } from '../../simulated-mesh/support/meshes.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { createTestCa } from '../../../testkit/test-ca.ts';

const { signal } = new AbortController();

async function openConsul() {
  const folder = tempDir();
  const { mesh, url } = await startConsul(folder.path, { clock: systemClock });
  const create = () =>
    createConsulAdapter({ address: url, clock: systemClock, random: systemRandom, log: silentLog });
  const adapter = create();
  const peerings = async () =>
    (await (await fetch(`${url}/v1/peerings`)).json()) as {
      Name: string;
      State: string;
      Meta: Record<string, string>;
    }[];
  return {
    adapter,
    create,
    mesh,
    url,
    peerings,
    trustDomain: parseTrustDomain(`${CLUSTER_ID}.consul`),
    addOwnRoot: async () => void (await mesh.rotate('publish')),
    /** The simulation reports certificates; test CAs have one certificate for each key. */
    fingerprints: () =>
      Object.fromEntries(
        mesh.status().foreign.map(({ trustDomain, fingerprints }) => [trustDomain, fingerprints]),
      ),
    state: async () =>
      JSON.stringify([
        (await peerings()).filter(({ State }) => State !== 'DELETING').map(({ Name, Meta }) => [Name, Meta]),
        mesh.status().foreign,
      ]),
    [Symbol.asyncDispose]: async () => {
      await adapter.stop();
      await mesh.stop();
      folder[Symbol.dispose]();
    },
  };
}

meshAdapterContract('createConsulAdapter()', async () => {
  const consul = await openConsul();
  const keyOf = new Map<string, string>();
  const { adapter } = consul;
  return {
    ...consul,
    adapter: {
      ...adapter,
      applyForeignTrust: (wanted, abort, ...more) => {
        for (const { x509Authorities } of wanted)
          for (const { fingerprint, keyFingerprint } of x509Authorities)
            keyOf.set(fingerprint, keyFingerprint);
        return adapter.applyForeignTrust(wanted, abort, ...more);
      },
    },
    held: async () =>
      Object.fromEntries(
        Object.entries(consul.fingerprints()).map(([name, prints]) => [
          name,
          prints.map((print) => keyOf.get(print) ?? print),
        ]),
      ),
  };
});

describe('createConsulAdapter()', () => {
  it('takes over its peering after a restart with a new token, and the bundle is accepted again', async () => {
    await using consul = await openConsul();
    const west = await createTestCa({ trustDomain: 'west.example' });
    const [first] = await consul.adapter.applyForeignTrust([west.bundle()], signal);
    expect(first).toMatchObject({ state: 'accepted' });
    await consul.adapter.stop();
    const restarted = consul.create();
    const next = await createTestCa({ trustDomain: 'west.example' });
    const [again] = await restarted.applyForeignTrust([next.bundle()], signal);
    expect(again).toMatchObject({ state: 'accepted' });
    expect(consul.fingerprints()).toEqual({ 'west.example': [next.authority.fingerprint] });
    expect(await consul.peerings()).toHaveLength(1);
    await restarted.stop();
  });

  it('leaves peerings of others alone, also under its prefix', async () => {
    await using consul = await openConsul();
    const post = (name: string) =>
      fetch(`${consul.url}/v1/peering/token`, { method: 'POST', body: JSON.stringify({ PeerName: name }) });
    await post('partner');
    await post('federate-by-hand');
    await consul.adapter.applyForeignTrust([], signal);
    expect((await consul.peerings()).map(({ Name }) => Name)).toEqual(['federate-by-hand', 'partner']);
  });

  it('dials the leader that a follower names, and returns when the leader does not answer', async () => {
    await using consul = await openConsul();
    let dialed = 0;
    const leader = createServer((socket) => {
      dialed += 1;
      socket.destroy();
    });
    await once(leader.listen(0, '127.0.0.1'), 'listening');
    const west = await createTestCa({ trustDomain: 'west.example' });
    consul.mesh.redirectPeersTo(`127.0.0.1:${(leader.address() as AddressInfo).port}`);
    const [failed] = await consul.adapter.applyForeignTrust([west.bundle()], signal);
    expect(failed?.state).toBe('failed');
    expect(dialed).toBeGreaterThan(0);
    const accepted = new Promise<ForeignTrustReport>((resolve) => {
      consul.adapter.onReport((report) => report.state === 'accepted' && resolve(report));
    });
    consul.mesh.redirectPeersTo(undefined);
    expect(await accepted).toMatchObject({ trustDomain: 'west.example' });
    leader.close();
  });

  it('reports a cluster that does not answer by its code', async () => {
    await using consul = await openConsul();
    await consul.mesh.stop();
    await expect(consul.adapter.applyForeignTrust([], signal)).rejects.toMatchObject({
      code: 'mesh-unreachable',
    });
    expect(consul.adapter.status()).toMatchObject({ connected: false, code: 'mesh-unreachable' });
  });
});
