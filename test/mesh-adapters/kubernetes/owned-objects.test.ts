import { describe, expect, it } from 'vitest';
import { KubernetesClient } from '../../../src/mesh-adapters/kubernetes/kubernetes-client.ts';
import type { OwnedKind, OwnerMark } from '../../../src/mesh-adapters/kubernetes/owned-object.ts';
import { type OwnedGroup, OwnedObjects } from '../../../src/mesh-adapters/kubernetes/owned-objects.ts';
import { systemClock, systemRandom } from '../../../src/platform/index.ts';
import { fail, FakeApiServer } from './fake-api-server.ts';

const { signal } = new AbortController();
const MARK: OwnerMark = { owner: 'east', part: 'import' };
const FIRST: OwnedKind = { kind: 'First', plural: 'firsts', group: 'g.example', versions: ['v1', 'v1beta1'] };
const SECOND: OwnedKind = { kind: 'Second', plural: 'seconds', group: 'g.example', versions: ['v1'] };
const FIRSTS = '/apis/g.example/v1/namespaces/shop/firsts';
const SECONDS = '/apis/g.example/v1/namespaces/shop/seconds';

const group = (subject: string, value: unknown = 1): OwnedGroup => ({
  subject,
  objects: [FIRST, SECOND].map((kind) => ({
    kind,
    namespace: 'shop',
    name: subject,
    fields: { spec: { value, list: [{ a: 1 }] } },
  })),
});

async function openCluster() {
  const api = new FakeApiServer();
  await api.start();
  const client = new KubernetesClient({ source: api.source, clock: systemClock });
  const create = () =>
    new OwnedObjects({ client, kinds: [FIRST, SECOND], clock: systemClock, random: systemRandom });
  const objects = create();
  return {
    api,
    create,
    hold: (groups: readonly OwnedGroup[], mark = MARK) => objects.hold(groups, mark, signal),
    /** The writes that were not only tried, as `post firsts` and so on. */
    writes: () =>
      api.requests
        .filter(({ verb, dryRun }) => ['put', 'post', 'delete'].includes(verb) && !dryRun)
        .map(({ verb, collection }) => `${verb} ${collection.split('/').at(-1)}`),
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

describe('OwnedObjects', () => {
  it('creates in the order of a group, deletes in the opposite one, and writes equal content never', async () => {
    await using cluster = await openCluster();
    expect(await cluster.hold([group('a')])).toMatchObject([{ subject: 'a', state: 'written' }]);
    expect(cluster.writes()).toEqual(['post firsts', 'post seconds']);
    await cluster.hold([group('a')]);
    // After a restart too.
    await cluster.create().hold([group('a')], MARK, signal);
    expect(cluster.writes()).toHaveLength(2);
    expect(await cluster.hold([])).toEqual([{ subject: 'a', state: 'removed', objects: [] }]);
    expect(cluster.writes().slice(2)).toEqual(['delete seconds', 'delete firsts']);
    expect(cluster.api.under('/apis/')).toEqual({});
  });

  it('tries a whole group first: where the second object is refused, the first is not written either', async () => {
    await using cluster = await openCluster();
    await cluster.hold([group('a')]);
    const before = JSON.stringify(cluster.api.under('/apis/'));
    cluster.api.answer = ({ collection, verb }, response) => {
      if (!collection.endsWith('/seconds') || verb !== 'put') return false;
      fail(response, 400, 'admission webhook denied the request');
      return true;
    };
    const [outcome, other] = await cluster.hold([group('a', 2), group('b')]);
    expect(outcome).toMatchObject({ subject: 'a', state: 'refused', fault: { code: 'mesh-refused' } });
    expect(outcome?.fault?.message).toContain('admission webhook denied the request');
    expect(other).toMatchObject({ subject: 'b', state: 'written' });
    await cluster.hold([group('a')]);
    expect(JSON.stringify(cluster.api.under('/apis/'))).toBe(before);
  });

  it('refuses what the API server would keep without a field, and writes nothing of it', async () => {
    await using cluster = await openCluster();
    cluster.api.answer = ({ verb }, response) => {
      if (verb !== 'post') return false;
      const { spec: _, ...kept } = cluster.api.lastBody ?? { metadata: { name: '', resourceVersion: '' } };
      const metadata = { ...kept.metadata, resourceVersion: '1' };
      response.writeHead(201).end(JSON.stringify({ ...kept, metadata, spec: { list: [{ a: 1 }] } }));
      return true;
    };
    expect(await cluster.hold([group('a')])).toMatchObject([
      { state: 'refused', fault: { code: 'mesh-drops-field' } },
    ]);
    expect(cluster.writes()).toEqual([]);
  });

  it('takes what the API server fills in as what was sent, and restores what others change in it', async () => {
    await using cluster = await openCluster();
    // The fake calls this before it answers.
    cluster.api.onWrite = () => {
      for (const [path, object] of Object.entries(cluster.api.under('/apis/'))) {
        const spec = object['spec'] as Record<string, unknown>;
        if (spec['filled'] === undefined) Object.assign(spec, { filled: path.length });
      }
    };
    await cluster.hold([group('a')]);
    await cluster.hold([group('a')]);
    expect(cluster.writes()).toEqual(['post firsts', 'post seconds']);
    cluster.api.putObject(`${FIRSTS}/a`, {
      ...cluster.api.object(`${FIRSTS}/a`),
      spec: { value: 'evil', list: [{ a: 1 }] },
    });
    await cluster.hold([group('a')]);
    expect(cluster.api.object(`${FIRSTS}/a`)).toMatchObject({ spec: { value: 1 } });
  });

  it('keeps labels, annotations and the status of others when it replaces', async () => {
    await using cluster = await openCluster();
    await cluster.hold([group('a')]);
    const path = `${FIRSTS}/a`;
    const { metadata, ...object } = cluster.api.object(path) ?? { metadata: {} };
    cluster.api.putObject(path, {
      ...object,
      metadata: {
        ...metadata,
        labels: { ...metadata.labels, team: 'x' },
        annotations: { ...metadata.annotations, note: 'y' },
      },
      status: { observedGeneration: '1' },
    });
    await cluster.hold([group('a', 2)]);
    expect(cluster.api.object(path)).toMatchObject({
      metadata: { labels: { team: 'x' }, annotations: { note: 'y' } },
      status: { observedGeneration: '1' },
      spec: { value: 2 },
    });
  });

  it.each(['labels', 'annotations'] as const)('restores an object whose %s were taken away', async (part) => {
    await using cluster = await openCluster();
    await cluster.hold([group('a')]);
    const path = `${FIRSTS}/a`;
    const { metadata, ...object } = cluster.api.object(path) ?? { metadata: {} };
    cluster.api.putObject(path, { ...object, metadata: { ...metadata, [part]: undefined } });
    expect(await cluster.hold([group('a')])).toMatchObject([{ subject: 'a', state: 'written' }]);
    expect(cluster.api.object(path)?.metadata.labels).toMatchObject({ 'federate.dev/services-of': 'east' });
    await cluster.hold([]);
    expect(cluster.api.under('/apis/')).toEqual({});
  });

  it.each([
    ['not ours', {}],
    ['that of another agent', { 'federate.dev/services-of': 'north', 'federate.dev/part': 'import' }],
  ])('never overwrites an object with the same name that is %s', async (whose, labels) => {
    await using cluster = await openCluster();
    cluster.api.putObject(`${SECONDS}/a`, { kind: 'Second', metadata: { labels }, spec: { theirs: true } });
    const before = JSON.stringify(cluster.api.under('/apis/'));
    const [outcome] = await cluster.hold([group('a')]);
    expect(outcome).toMatchObject({ state: 'refused', fault: { code: 'object-not-ours' } });
    expect(outcome?.fault?.message).toContain(whose);
    await cluster.hold([]);
    expect(JSON.stringify(cluster.api.under('/apis/'))).toBe(before);
  });

  it('leaves the objects of another agent and of another part alone', async () => {
    await using cluster = await openCluster();
    await cluster.hold([group('north')], { owner: 'north', part: 'import' });
    await cluster.hold([group('access')], { owner: 'east', part: 'access' });
    const before = JSON.stringify(cluster.api.under('/apis/'));
    await cluster.hold([group('a')]);
    await cluster.hold([]);
    expect(JSON.stringify(cluster.api.under('/apis/'))).toBe(before);
  });

  it('gives an object that two subjects want to the first alone', async () => {
    await using cluster = await openCluster();
    const twin = { ...group('a'), subject: 'twin' };
    expect(await cluster.hold([group('a'), twin])).toMatchObject([
      { subject: 'a', state: 'written' },
      { subject: 'twin', state: 'refused', fault: { code: 'object-taken' } },
    ]);
    // An object can change its subject.
    expect(await cluster.hold([twin])).toMatchObject([{ subject: 'twin', state: 'written' }]);
    expect(Object.keys(cluster.api.under('/apis/'))).toHaveLength(2);
  });

  it('deletes the objects that a subject needs no longer, after the others are written', async () => {
    await using cluster = await openCluster();
    await cluster.hold([group('a')]);
    const { objects, subject } = group('a', 2);
    expect(await cluster.hold([{ subject, objects: objects.slice(0, 1) }])).toMatchObject([
      { state: 'written' },
    ]);
    expect(cluster.writes().slice(2)).toEqual(['put firsts', 'delete seconds']);
  });

  it('reads again and writes when another writer was faster (409)', async () => {
    await using cluster = await openCluster();
    await cluster.hold([group('a')]);
    let times = 2;
    cluster.api.beforePut = () => {
      if (times-- <= 0) return;
      const { metadata, ...object } = cluster.api.object(`${FIRSTS}/a`) ?? { metadata: {} };
      cluster.api.putObject(`${FIRSTS}/a`, { ...object, metadata });
    };
    expect(await cluster.hold([group('a', 2)])).toMatchObject([{ state: 'written' }]);
    expect(cluster.api.object(`${FIRSTS}/a`)).toMatchObject({ spec: { value: 2 } });
  });

  it('reports an object that its finalizers keep, and does not delete what it rests on', async () => {
    await using cluster = await openCluster();
    await cluster.hold([group('a')]);
    const { metadata, ...object } = cluster.api.object(`${SECONDS}/a`) ?? { metadata: {} };
    cluster.api.putObject(`${SECONDS}/a`, { ...object, metadata: { ...metadata, finalizers: ['x/y'] } });
    cluster.api.answer = ({ verb, collection }, response) => {
      if (verb !== 'delete' || !collection.endsWith('/seconds')) return false;
      response.end(JSON.stringify({ kind: 'Status', status: 'Success' }));
      return true;
    };
    expect(await cluster.hold([])).toMatchObject([
      { subject: 'a', state: 'failed', fault: { code: 'mesh-not-gone' } },
    ]);
    expect(cluster.api.object(`${FIRSTS}/a`)).toBeDefined();
  });

  it('goes on with the others where one cannot be deleted, and reports it', async () => {
    await using cluster = await openCluster();
    await cluster.hold([group('a'), group('b')]);
    cluster.api.answer = ({ verb, name }, response) => {
      if (verb !== 'delete' || name !== 'a') return false;
      fail(response, 403, 'forbidden');
      return true;
    };
    expect(await cluster.hold([])).toMatchObject([
      { subject: 'a', state: 'failed', fault: { code: 'mesh-forbidden' } },
      { subject: 'b', state: 'removed' },
    ]);
  });

  it('uses the older version of a kind where the API server serves no newer one', async () => {
    await using cluster = await openCluster();
    cluster.api.answer = ({ collection }, response) => {
      if (!(collection.startsWith('/apis/g.example/v1/') && collection.endsWith('/firsts'))) return false;
      fail(response, 404, 'the server could not find the requested resource');
      return true;
    };
    expect(await cluster.hold([group('a')])).toMatchObject([{ state: 'written' }]);
    expect(cluster.api.object('/apis/g.example/v1beta1/namespaces/shop/firsts/a')).toMatchObject({
      apiVersion: 'g.example/v1beta1',
    });
  });

  it('refuses a group of a kind that the API server does not serve', async () => {
    await using cluster = await openCluster();
    cluster.api.answer = ({ collection }, response) => {
      if (!collection.endsWith('/seconds')) return false;
      fail(response, 404, 'the server could not find the requested resource');
      return true;
    };
    expect(await cluster.hold([group('a')])).toMatchObject([
      { state: 'refused', fault: { code: 'kind-not-served' } },
    ]);
    expect(cluster.writes()).toEqual([]);
  });

  it('rejects where the cluster does not accept us at all', async () => {
    await using cluster = await openCluster();
    cluster.api.answer = (_request, response) => {
      fail(response, 401, 'Unauthorized');
      return true;
    };
    await expect(cluster.hold([group('a')])).rejects.toMatchObject({ code: 'mesh-unauthenticated' });
  });
});
