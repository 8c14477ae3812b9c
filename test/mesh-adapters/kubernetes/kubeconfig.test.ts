import { rmSync, writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { KubernetesClient } from '../../../src/mesh-adapters/kubernetes/kubernetes-client.ts';
import { systemClock } from '../../../src/platform/index.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { FakeApiServer, fail } from './fake-api-server.ts';

const TARGET = { namespace: 'istio-system', name: 'istio' };
const { signal } = new AbortController();
let api: FakeApiServer;
let folder: ReturnType<typeof tempDir>;
let client: KubernetesClient;

beforeEach(async () => {
  api = new FakeApiServer();
  await api.start();
  api.put('istio', { mesh: 'a: 1\n' });
  api.answer = ({ token }, response) => {
    if (token === 'good') return false;
    fail(response, 401, 'Unauthorized');
    return true;
  };
  folder = tempDir();
  client = new KubernetesClient({
    source: { kind: 'kubeconfig', path: folder.file('config') },
    clock: systemClock,
  });
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  folder[Symbol.dispose]();
});

function write(server: string, user: object): void {
  const text = stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'it',
    contexts: [{ name: 'it', context: { cluster: 'it', user: 'it' } }],
    clusters: [{ name: 'it', cluster: { server, 'insecure-skip-tls-verify': true } }],
    users: [
      { name: 'other', user: { tokenFile: 'nowhere' } },
      { name: 'it', user },
    ],
  });
  writeFileSync(folder.file('config'), text);
}

const get = async () => (await client.get(TARGET, signal)).data;

describe('KubernetesClient with a kubeconfig', () => {
  it('reads the file again when the server is gone or no longer accepts the token', async () => {
    write('https://127.0.0.1:1', { token: 'old' });
    await expect(get()).rejects.toMatchObject({ code: 'mesh-unreachable' });
    write(api.url, { token: 'old' });
    await expect(get()).rejects.toMatchObject({ code: 'mesh-unauthenticated' });
    write(api.url, { token: 'good' });
    expect(await get()).toEqual({ mesh: 'a: 1\n' });
  });

  it('reads the token that is in a file for every request, before the one in the kubeconfig', async () => {
    write(api.url, { token: 'old', tokenFile: 'projected' });
    writeFileSync(folder.file('projected'), 'good\n');
    expect(await get()).toEqual({ mesh: 'a: 1\n' });
    writeFileSync(folder.file('projected'), 'ended');
    await expect(get()).rejects.toMatchObject({ code: 'mesh-unauthenticated' });
    writeFileSync(folder.file('projected'), 'good');
    expect(await get()).toEqual({ mesh: 'a: 1\n' });
    expect(api.requests.map(({ token }) => token)).toEqual(['good', 'ended', 'good']);
    rmSync(folder.file('projected'));
    await expect(get()).rejects.toMatchObject({
      code: 'credentials-unusable',
      message: expect.stringContaining('projected'),
    });
  });
});
