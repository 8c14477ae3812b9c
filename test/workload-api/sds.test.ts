import { statSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { silentLog, systemClock, systemRandom } from '../../src/platform/index.ts';
import { parseTrustDomain } from '../../src/spiffe/index.ts';
import { SdsClient, type SdsSecret, SdsServer } from '../../src/workload-api/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';

const stops: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

const merged = (pem: string): SdsSecret => ({
  name: 'ROOTCA',
  kind: 'merged-validation',
  trustedCaPem: pem,
  allowedUriSans: [{ prefix: 'spiffe://a.example/' }],
});
const perDomain: SdsSecret = {
  name: 'ROOTCA',
  kind: 'spiffe-validation',
  trustDomains: [{ name: parseTrustDomain('a.example'), trustBundlePem: 'A' }],
  allowedUriSans: [],
};
const identity: SdsSecret = { name: 'default', kind: 'certificate', chainPem: 'CHAIN', keyPem: 'KEY' };

async function startServer(path: string, secrets: Map<string, SdsSecret>): Promise<SdsServer> {
  const server = new SdsServer({ secrets: (name) => secrets.get(name), log: silentLog });
  await server.start(path);
  stops.push(() => server.stop());
  return server;
}

function startClient(socketPath: string, resourceNames = ['default', 'ROOTCA']): SdsClient {
  const client = new SdsClient({
    socketPath,
    resourceNames,
    nodeId: 'test',
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  client.start();
  stops.push(() => client.stop());
  return client;
}

function changeOf(client: SdsClient, is: () => boolean): Promise<void> {
  if (is()) return Promise.resolve();
  return new Promise((resolve) => {
    const off = client.onChange(() => {
      if (!is()) return;
      off();
      resolve();
    });
  });
}

describe('SdsServer', () => {
  it('hands out secrets of every kind on a socket of mode 0600, and knows that they were acknowledged', async () => {
    using folder = tempDir();
    const secrets = new Map<string, SdsSecret>([
      ['default', identity],
      ['ROOTCA', perDomain],
    ]);
    const server = await startServer(folder.file('sds.sock'), secrets);
    expect(statSync(folder.file('sds.sock')).mode & 0o777).toBe(0o600);
    const client = startClient(folder.file('sds.sock'));
    await changeOf(client, () => client.current('ROOTCA') !== undefined);
    expect(client.current('default')).toEqual(identity);
    expect(client.current('ROOTCA')).toEqual(perDomain);
    await expect
      .poll(() => server.acknowledged('ROOTCA').proxies)
      .toEqual([{ acknowledged: server.acknowledged('ROOTCA').currentVersion }]);
  });

  it('sends a secret once it exists, and again only when its content changes', async () => {
    using folder = tempDir();
    const secrets = new Map<string, SdsSecret>([['default', identity]]);
    const server = await startServer(folder.file('sds.sock'), secrets);
    const client = startClient(folder.file('sds.sock'));
    await changeOf(client, () => client.current('default') !== undefined);
    expect(client.current('ROOTCA')).toBeUndefined();

    secrets.set('ROOTCA', merged('ONE'));
    server.pushChanged(['ROOTCA']);
    await changeOf(client, () => client.current('ROOTCA') !== undefined);
    expect(client.current('ROOTCA')).toEqual(merged('ONE'));

    let changes = 0;
    client.onChange(() => {
      changes += 1;
    });
    server.pushChanged();
    secrets.set('ROOTCA', merged('TWO'));
    server.pushChanged(['ROOTCA']);
    await changeOf(client, () => JSON.stringify(client.current('ROOTCA')) === JSON.stringify(merged('TWO')));
    // The push without a change sent nothing, and of the two secrets in the response one is as it was.
    expect(changes).toBe(1);
  });

  it('remembers a refusal (NACK), and the client keeps its last good secret', async () => {
    using folder = tempDir();
    const secrets = new Map<string, SdsSecret>([['ROOTCA', perDomain]]);
    const server = await startServer(folder.file('sds.sock'), secrets);
    const client = startClient(folder.file('sds.sock'), ['ROOTCA']);
    await changeOf(client, () => client.current('ROOTCA') !== undefined);
    await expect.poll(() => server.acknowledged('ROOTCA').proxies[0]?.acknowledged).toBeDefined();
    const { trustDomains } = perDomain as Extract<SdsSecret, { kind: 'spiffe-validation' }>;
    secrets.set('ROOTCA', {
      name: 'ROOTCA',
      kind: 'spiffe-validation',
      trustDomains: [...trustDomains, ...trustDomains],
    });
    server.pushChanged();
    await expect.poll(() => server.acknowledged('ROOTCA').proxies[0]?.refused).toMatch(/twice/);
    expect(client.current('ROOTCA')).toEqual(perDomain);
  });

  it('refuses a socket on which a process answers', async () => {
    using folder = tempDir();
    await startServer(folder.file('sds.sock'), new Map());
    await expect(startServer(folder.file('sds.sock'), new Map())).rejects.toMatchObject({
      code: 'socket-in-use',
    });
  });
});

describe('SdsClient', () => {
  it('keeps what it has while the server is gone, and comes back to it', async () => {
    using folder = tempDir();
    const secrets = new Map<string, SdsSecret>([['ROOTCA', merged('ONE')]]);
    const first = await startServer(folder.file('sds.sock'), secrets);
    const client = startClient(folder.file('sds.sock'), ['ROOTCA']);
    await changeOf(client, () => client.current('ROOTCA') !== undefined);
    await first.stop();
    await expect.poll(() => client.connected).toBe(false);
    expect(client.current('ROOTCA')).toEqual(merged('ONE'));
    secrets.set('ROOTCA', merged('TWO'));
    await startServer(folder.file('sds.sock'), secrets);
    await changeOf(client, () => JSON.stringify(client.current('ROOTCA')) === JSON.stringify(merged('TWO')));
    expect(client.connected).toBe(true);
  });
});
