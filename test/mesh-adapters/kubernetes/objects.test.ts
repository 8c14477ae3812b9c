import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { KubernetesClient } from '../../../src/mesh-adapters/kubernetes/kubernetes-client.ts';
import {
  collectionOf,
  type KubernetesObject,
} from '../../../src/mesh-adapters/kubernetes/kubernetes-object.ts';
import { watchObjects } from '../../../src/mesh-adapters/kubernetes/watch-objects.ts';
import { systemRandom } from '../../../src/platform/index.ts';
import { TEST_INSTANT } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';
import { untilHealed } from '../until.ts';
import { until } from '../../../testkit/until.ts';
import { FakeApiServer } from './fake-api-server.ts';

const THINGS = collectionOf({
  kind: 'Thing',
  api: 'apis/example.com/v1',
  plural: 'things',
  namespace: 'box',
});
const { signal } = new AbortController();
let api: FakeApiServer;
let client: KubernetesClient;
let clock: TestClock;

beforeEach(async () => {
  api = new FakeApiServer();
  await api.start();
  clock = new TestClock(TEST_INSTANT);
  client = new KubernetesClient({ source: api.source, clock });
});
afterEach(() => api[Symbol.asyncDispose]());

const thing = (name: string, labels: Record<string, string> = {}) => ({
  apiVersion: 'example.com/v1',
  kind: 'Thing',
  metadata: { name, labels },
  spec: { size: 1 },
});

describe('KubernetesClient with objects of any kind', () => {
  it('creates, replaces and deletes by version, and keeps fields it does not know', async () => {
    const made = await client.createObject(THINGS, thing('one'), signal);
    await expect(client.createObject(THINGS, thing('one'), signal)).rejects.toMatchObject({
      code: 'mesh-conflict',
    });
    const replaced = await client.replaceObject(THINGS, { ...made, spec: { size: 2 } }, signal);
    expect(replaced).toMatchObject({ kind: 'Thing', spec: { size: 2 }, metadata: { namespace: 'box' } });
    await expect(client.replaceObject(THINGS, made, signal)).rejects.toMatchObject({ code: 'mesh-conflict' });
    await expect(client.deleteObject(THINGS, made, signal)).rejects.toMatchObject({ code: 'mesh-conflict' });
    await client.deleteObject(THINGS, replaced, signal);
    expect(api.object(`${THINGS.path}/one`)).toBeUndefined();
    await client.deleteObject(THINGS, replaced, signal);
  });

  it('reads a list page by page, and refuses one that never ends', async () => {
    let endless = false;
    api.answer = ({ verb }, response) => {
      if (verb !== 'list') return false;
      const page = api.count('list');
      const more = endless || page < 3 ? { continue: `page-${page + 1}` } : {};
      const items = [{ metadata: { name: `thing-${page}`, resourceVersion: '1' } }];
      response.end(JSON.stringify({ metadata: { resourceVersion: '9', ...more }, items }));
      return true;
    };
    const { items, resourceVersion } = await client.listObjects(THINGS, {}, signal);
    expect(items.map(({ metadata }) => metadata.name)).toEqual(['thing-1', 'thing-2', 'thing-3']);
    expect(resourceVersion).toBe('9');
    endless = true;
    await expect(client.listObjects(THINGS, {}, signal)).rejects.toMatchObject({
      code: 'mesh-answer-malformed',
    });
  });
});

describe('watchObjects()', () => {
  it('reports all selected objects after each change, and after 410 forgets those that were deleted meanwhile', async () => {
    const reported: string[][] = [];
    const ended = new AbortController();
    api.putObject(`${THINGS.path}/one`, thing('one', { of: 'us' }));
    api.putObject(`${THINGS.path}/theirs`, thing('theirs', { of: 'them' }));
    const watching = watchObjects({
      client,
      collection: THINGS,
      selector: { labelSelector: 'of=us' },
      onObjects: (objects: ReadonlyMap<string, KubernetesObject>) =>
        reported.push([...objects.keys()].sort()),
      onContact: () => {},
      onTrouble: () => {},
      clock,
      random: systemRandom,
      signal: ended.signal,
    });
    await until(() => api.watches === 1, 'the watch');
    api.putObject(`${THINGS.path}/two`, thing('two', { of: 'us' }));
    api.delete(`${THINGS.path}/one`);
    await until(() => reported.length === 3, 'two changes');
    expect(reported).toEqual([['one'], ['one', 'two'], ['two']]);
    api.answer = ({ verb }, response) => {
      if (verb !== 'watch') return false;
      response.writeHead(410).end('{"kind":"Status","message":"too old"}');
      api.answer = () => false;
      return true;
    };
    api.endWatches('cut');
    api.delete(`${THINGS.path}/two`);
    await untilHealed(clock, () => reported.length === 4, 'the list after 410');
    expect(reported[3]).toEqual([]);
    ended.abort();
    await watching;
  });
});
