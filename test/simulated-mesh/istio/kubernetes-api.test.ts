import { readFileSync, statSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { kubernetesClient } from '../support/kubernetes-client.ts';
import { startIstio } from '../support/meshes.ts';
import { until } from '../../../testkit/until.ts';

const MAPS = '/api/v1/namespaces/istio-system/configmaps';
const MESH = `${MAPS}/istio`;

let folder: ReturnType<typeof tempDir>;
let started: Awaited<ReturnType<typeof startIstio>>;
let agent: ReturnType<typeof kubernetesClient>;
let admin: ReturnType<typeof kubernetesClient>;

beforeEach(async () => {
  folder = tempDir();
  started = await startIstio(folder.path);
  agent = kubernetesClient(started.options.kubeconfigFile);
  admin = kubernetesClient(started.options.adminKubeconfigFile ?? '');
});
afterEach(async () => {
  await started.mesh.stop();
  folder[Symbol.dispose]();
});

const create = (name: string, more: object = {}) =>
  admin.call('POST', MAPS, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name, ...more },
    data: { key: 'value' },
  });

describe('the kubeconfig', () => {
  it('is private and names the server by its own CA', () => {
    expect(statSync(started.options.kubeconfigFile).mode & 0o777).toBe(0o600);
    const config = parse(readFileSync(started.options.kubeconfigFile, 'utf8'));
    expect(config['current-context']).toBe('simulated-istio');
    expect(config.clusters[0].cluster.server).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
  });
});

describe('get and list', () => {
  it('show what an installation of Istio leaves', async () => {
    const mesh = await agent.call('GET', MESH);
    expect(mesh.status).toBe(200);
    expect(mesh.body.data.mesh).toContain('# Mesh-wide settings');
    expect(parse(mesh.body.data.mesh).trustDomain).toBe('istio.example');
    const roots = await agent.call('GET', '/api/v1/configmaps?labelSelector=istio.io%2Fconfig%3Dtrue');
    expect(roots.body.kind).toBe('ConfigMapList');
    expect(Number(roots.body.metadata.resourceVersion)).toBeGreaterThan(0);
    expect(roots.body.items.map((item) => `${item.metadata.namespace}/${item.metadata.name}`)).toEqual([
      'default/istio-ca-root-cert',
      'istio-system/istio-ca-root-cert',
      'kube-system/istio-ca-root-cert',
      'shop/istio-ca-root-cert',
    ]);
    expect(roots.body.items[0].data['root-cert.pem']).toContain('BEGIN CERTIFICATE');
  });

  it('select by field and label, and refuse a selector that is not understood', async () => {
    const names = async (query: string) =>
      (await agent.call('GET', `${MAPS}?${query}`)).body.items?.map((item) => item.metadata.name);
    expect(await names('fieldSelector=metadata.name%3Distio')).toEqual(['istio']);
    expect(await names('labelSelector=app')).toEqual(['istio']);
    expect(await names('labelSelector=%21app')).toEqual(['istio-ca-root-cert']);
    expect(await names('labelSelector=app%20in%20(istiod,other)')).toEqual(['istio']);
    expect((await agent.call('GET', `${MAPS}?fieldSelector=data.key%3Dx`)).status).toBe(400);
  });

  it('know the namespaces', async () => {
    const { body } = await agent.call('GET', '/api/v1/namespaces');
    expect(body.items.map((item) => item.metadata.name)).toContain('shop');
    expect((await agent.call('GET', '/api/v1/namespaces/none')).status).toBe(404);
  });
});

describe('access', () => {
  it('answers 401 for an unknown token and 403 beyond the role, as Status objects', async () => {
    const bad = await agent.call('GET', MESH, undefined, { authorization: 'Bearer wrong' });
    expect(bad).toMatchObject({ status: 401, body: { kind: 'Status', reason: 'Unauthorized', code: 401 } });
    const { body: held } = await agent.call('GET', MESH);
    expect((await agent.call('PUT', MESH, held)).status).toBe(200);
    const forbidden = await agent.call('DELETE', MESH);
    expect(forbidden).toMatchObject({
      status: 403,
      body: { kind: 'Status', status: 'Failure', reason: 'Forbidden' },
    });
    expect(forbidden.body.message).toContain('system:serviceaccount:istio-system:federate-agent');
    expect((await agent.call('PUT', `${MAPS}/istio-ca-root-cert`, held)).status).toBe(403);
    expect((await agent.call('POST', MAPS, held)).status).toBe(403);
  });

  it('answers 404 for what is not there and 405-free Status objects for unknown paths', async () => {
    expect(await agent.call('GET', `${MAPS}/none`)).toMatchObject({
      status: 404,
      body: { reason: 'NotFound', details: { name: 'none', kind: 'configmaps' } },
    });
    expect((await agent.call('GET', '/api/v1/secrets')).body.kind).toBe('Status');
  });
});

describe('writes', () => {
  it('create once, with server-made metadata', async () => {
    const first = await create('mine', { labels: { a: 'b' } });
    expect(first.status).toBe(201);
    expect(first.body.metadata).toMatchObject({
      name: 'mine',
      namespace: 'istio-system',
      labels: { a: 'b' },
    });
    expect(first.body.metadata.uid).toMatch(/^[0-9a-f-]{36}$/);
    expect(await create('mine')).toMatchObject({ status: 409, body: { reason: 'AlreadyExists' } });
    expect(await create('Not A Name')).toMatchObject({ status: 422, body: { reason: 'Invalid' } });
  });

  it('replace only the version that was read: 409 on a stale resourceVersion', async () => {
    const { body: held } = await agent.call('GET', MESH);
    const changed = { ...held, data: { ...held.data, extra: '1' } };
    const first = await agent.call('PUT', MESH, changed);
    expect(first.status).toBe(200);
    expect(first.body.metadata.resourceVersion).not.toBe(held.metadata.resourceVersion);
    expect(await agent.call('PUT', MESH, changed)).toMatchObject({
      status: 409,
      body: { reason: 'Conflict', code: 409 },
    });
    const { resourceVersion: _, ...metadata } = held.metadata;
    expect((await agent.call('PUT', MESH, { ...held, metadata })).status).toBe(200);
  });

  it('keep the version when nothing changes', async () => {
    const { body: held } = await agent.call('GET', MESH);
    const { body: after } = await agent.call('PUT', MESH, held);
    expect(after.metadata.resourceVersion).toBe(held.metadata.resourceVersion);
  });

  it('patch by merge and by JSON patch, and refuse what does not apply', async () => {
    const patch = (body: unknown, type: string) => agent.call('PATCH', MESH, body, { 'content-type': type });
    const merged = await patch({ data: { extra: 'x', meshNetworks: null } }, 'application/merge-patch+json');
    expect(Object.keys(merged.body.data)).toEqual(['mesh', 'extra']);
    const tested = await patch(
      [
        { op: 'test', path: '/data/extra', value: 'x' },
        { op: 'replace', path: '/data/extra', value: 'y' },
        { op: 'add', path: '/metadata/annotations/a~1b', value: 'z' },
      ],
      'application/json-patch+json',
    );
    expect(tested.body.data.extra).toBe('y');
    expect(tested.body.metadata.annotations['a/b']).toBe('z');
    const failed = await patch(
      [{ op: 'test', path: '/data/extra', value: 'x' }],
      'application/json-patch+json',
    );
    expect(failed).toMatchObject({ status: 422, body: { reason: 'Invalid' } });
    expect((await patch({}, 'application/apply-patch+yaml')).status).toBe(415);
    const stale = await patch(
      { metadata: { resourceVersion: '1' }, data: { q: 'q' } },
      'application/merge-patch+json',
    );
    expect(stale.status).toBe(409);
  });

  it('delete with preconditions', async () => {
    const { body } = await create('mine');
    const refused = await admin.call('DELETE', `${MAPS}/mine`, { preconditions: { uid: 'other' } });
    expect(refused.status).toBe(409);
    const done = await admin.call('DELETE', `${MAPS}/mine`, { preconditions: { uid: body.metadata.uid } });
    expect(done).toMatchObject({ status: 200, body: { status: 'Success' } });
    expect((await admin.call('DELETE', `${MAPS}/mine`)).status).toBe(404);
  });

  it('judge a dry run and keep nothing of it', async () => {
    const { body: held } = await agent.call('GET', MESH);
    const changed = { ...held, data: { ...held.data, extra: 'new' } };
    const tried = await agent.call('PUT', `${MESH}?dryRun=All`, changed);
    expect(tried).toMatchObject({ status: 200, body: { data: { extra: 'new' } } });
    expect((await agent.call('PUT', `${MESH}?dryRun=All`, { ...held, data: { mesh: 1 } })).status).toBe(400);
    expect((await agent.call('PUT', `${MESH}?dryRun=Some`, changed)).status).toBe(400);
    expect((await agent.call('GET', MESH)).body).toEqual(held);
  });

  it('refuse bodies that are not a ConfigMap, and too much data', async () => {
    const { body: held } = await agent.call('GET', MESH);
    expect((await agent.call('PUT', MESH, { ...held, kind: 'Secret' })).status).toBe(400);
    expect((await agent.call('PUT', MESH, { ...held, data: { mesh: 1 } })).status).toBe(400);
    const large = { ...held, data: { mesh: 'x'.repeat(1024 * 1024 + 1) } };
    expect(await agent.call('PUT', MESH, large)).toMatchObject({ status: 422 });
    const huge = { ...held, data: { mesh: 'x'.repeat(4 * 1024 * 1024) } };
    expect(await agent.call('PUT', MESH, huge)).toMatchObject({ status: 413, body: { kind: 'Status' } });
  });

  it('survive a restart with the version they had', async () => {
    const { body: created } = await create('mine');
    await started.mesh.stop();
    started = await startIstio(folder.path);
    const again = kubernetesClient(started.options.kubeconfigFile);
    expect((await again.call('GET', `${MAPS}/mine`)).body).toEqual(created);
  });
});

describe('watch', () => {
  const NAMED = `${MAPS}?watch=true&fieldSelector=metadata.name%3Dmine`;

  it('sends ADDED, MODIFIED and DELETED of what is selected, from a version on', async () => {
    const { body: list } = await agent.call('GET', MAPS);
    const watch = await agent.watch(`${NAMED}&resourceVersion=${list.metadata.resourceVersion}`);
    await create('other');
    const { body: created } = await create('mine');
    await admin.call('PUT', `${MAPS}/mine`, { ...created, data: { key: 'new' } });
    await admin.call('DELETE', `${MAPS}/mine`);
    await until(() => watch.events.length === 3, 'three events');
    expect(watch.events.map(({ type, object }) => [type, object.data.key])).toEqual([
      ['ADDED', 'value'],
      ['MODIFIED', 'new'],
      ['DELETED', 'new'],
    ]);
    watch.close();
    const resumed = await agent.watch(`${NAMED}&resourceVersion=${created.metadata.resourceVersion}`);
    await until(() => resumed.events.length === 2, 'the two later events');
    expect(resumed.events.map(({ type }) => type)).toEqual(['MODIFIED', 'DELETED']);
    resumed.close();
  });

  it('begins with what there is when no version is named', async () => {
    const watch = await agent.watch(`${MAPS}?watch=1&fieldSelector=metadata.name%3Distio`);
    await until(() => watch.events.length === 1, 'one event');
    expect(watch.events[0]).toMatchObject({ type: 'ADDED', object: { metadata: { name: 'istio' } } });
    watch.close();
  });

  it('sends DELETED when an object leaves the label selector', async () => {
    const { body } = await create('mine', { labels: { on: 'yes' } });
    const version = body.metadata.resourceVersion;
    const watch = await agent.watch(`${MAPS}?watch=true&labelSelector=on&resourceVersion=${version}`);
    await admin.call('PUT', `${MAPS}/mine`, { ...body, metadata: { ...body.metadata, labels: {} } });
    await until(() => watch.events.length === 1, 'one event');
    expect(watch.events[0]?.type).toBe('DELETED');
    watch.close();
  });

  it('answers a version that was compacted away with ERROR 410, so that the client lists again', async () => {
    const { body: list } = await agent.call('GET', MAPS);
    await create('mine');
    started.mesh.compact();
    const watch = await agent.watch(`${NAMED}&resourceVersion=${list.metadata.resourceVersion}`);
    await until(() => watch.ended, 'the end');
    expect(watch.events).toEqual([
      { type: 'ERROR', object: expect.objectContaining({ kind: 'Status', reason: 'Expired', code: 410 }) },
    ]);
    const { body: fresh } = await agent.call('GET', MAPS);
    const next = await agent.watch(`${NAMED}&resourceVersion=${fresh.metadata.resourceVersion}`);
    await admin.call('DELETE', `${MAPS}/mine`);
    await until(() => next.events.length === 1, 'one event');
    next.close();
  });

  it('sends bookmarks each minute and ends after its timeout', async () => {
    const watch = await agent.watch(`${NAMED}&allowWatchBookmarks=true&timeoutSeconds=90&resourceVersion=0`);
    await started.clock.untilSleeping(2);
    await started.clock.advance(60_000);
    await until(() => watch.events.length === 1, 'a bookmark');
    expect(watch.events[0]).toMatchObject({ type: 'BOOKMARK', object: { kind: 'ConfigMap' } });
    await started.clock.advance(30_000);
    await until(() => watch.ended, 'the end');
    expect(watch.events.map(({ type }) => type)).toEqual(['BOOKMARK', 'BOOKMARK']);
  });

  it('ends when the control plane stops', async () => {
    const watch = await agent.watch(NAMED);
    await started.mesh.stop();
    await until(() => watch.ended, 'the end');
    expect(watch.events.every(({ type }) => type === 'ADDED')).toBe(true);
  });
});
