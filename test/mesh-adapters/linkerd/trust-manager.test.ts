import { describe, expect, it } from 'vitest';
import { createTestCa } from '../../../testkit/test-ca.ts';
import { fail } from '../kubernetes/fake-api-server.ts';
import { until } from '../../../testkit/until.ts';
import { openLinkerd } from './open-linkerd.ts';

const CLUSTER_BUNDLE = '/apis/trust-manager.io/v1alpha2/clusterbundles/linkerd-identity-trust-roots';
const BUNDLE = '/apis/trust.cert-manager.io/v1alpha1/bundles/linkerd-identity-trust-roots';
const { signal } = new AbortController();

async function open() {
  const mesh = await openLinkerd();
  const west = await createTestCa({ trustDomain: 'west.example' });
  const apply = async () => (await mesh.adapter.applyForeignTrust([west.bundle()], signal))[0];
  return { ...mesh, apply };
}

const sourceRefs = (key = 'ca-bundle.crt') => [
  { kind: 'ConfigMap', selector: { matchLabels: { 'federate.dev/foreign-trust': 'true' } }, key },
];

describe('examineBundle() of Linkerd', () => {
  it('looks at the ClusterBundle once the Bundle was migrated to one, and without a Bundle', async () => {
    await using mesh = await open();
    const { api } = mesh.linkerd;
    expect((await mesh.apply())?.code).toBeUndefined();
    api.putObject(CLUSTER_BUNDLE, { kind: 'ClusterBundle', spec: { sourceRefs: sourceRefs('other') } });
    expect((await mesh.apply())?.code).toBeUndefined();
    const bundle = api.object(BUNDLE);
    mesh.linkerd.syncing = false;
    api.putObject(BUNDLE, { ...bundle, status: { conditions: [{ type: 'Migrated', status: 'True' }] } });
    expect(await mesh.apply()).toMatchObject({ code: 'bundle-source-missing' });
    api.putObject(CLUSTER_BUNDLE, { kind: 'ClusterBundle', spec: { sourceRefs: sourceRefs() } });
    expect((await mesh.apply())?.code).toBeUndefined();
    api.delete(BUNDLE);
    expect((await mesh.apply())?.code).toBeUndefined();
  });

  it('reports a missing Bundle where it has no right to ClusterBundles, and a forbidden one as unreadable', async () => {
    await using mesh = await open();
    const { api } = mesh.linkerd;
    let forbidden = 'clusterbundles';
    api.answer = ({ collection }, response) => {
      if (!collection.endsWith(forbidden)) return false;
      fail(response, 403, `${forbidden} is forbidden`);
      return true;
    };
    expect((await mesh.apply())?.code).toBeUndefined();
    mesh.linkerd.deleteBundle();
    expect(await mesh.apply()).toMatchObject({ code: 'bundle-missing' });
    forbidden = 'bundles';
    expect(await mesh.apply()).toMatchObject({ code: 'bundle-unreadable' });
  });

  it('reports that a migrated Bundle cannot be followed to a ClusterBundle that it has no right to read', async () => {
    await using mesh = await open();
    const { api } = mesh.linkerd;
    mesh.linkerd.syncing = false;
    const bundle = api.object(BUNDLE);
    api.putObject(BUNDLE, { ...bundle, status: { conditions: [{ type: 'Migrated', status: 'True' }] } });
    api.answer = ({ collection }, response) => {
      if (!collection.endsWith('clusterbundles')) return false;
      fail(response, 403, 'clusterbundles is forbidden');
      return true;
    };
    expect(await mesh.apply()).toMatchObject({ code: 'bundle-unreadable' });
  });
});

describe('createLinkerdAdapter()', () => {
  it('reports while trust-manager has not merged its anchors, and learns when it has', async () => {
    await using mesh = await open();
    mesh.linkerd.syncing = false;
    expect(await mesh.apply()).toMatchObject({ state: 'written', code: 'anchors-not-merged' });
    let heard = 0;
    const forget = mesh.adapter.onProgress(() => (heard += 1));
    const ended = new AbortController();
    const following = (async () => {
      for await (const _ of mesh.adapter.watchOwnTrust(ended.signal));
    })();
    await until(() => mesh.linkerd.api.watches === 2, 'the watches');
    expect(heard).toBe(0);
    mesh.linkerd.syncing = true;
    mesh.linkerd.sync();
    await until(() => heard === 1, 'the merged anchors');
    expect(await mesh.apply()).toMatchObject({ state: 'accepted' });
    forget();
    ended.abort();
    await following;
  });
});
