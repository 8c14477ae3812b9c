import type { ServerResponse } from 'node:http';
import { writeFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createKumaAdapter, type MeshAdapter } from '../../../src/mesh-adapters/index.ts';
import { silentLog, systemRandom } from '../../../src/platform/index.ts';
import { pemFromCertificates, type X509Authority } from '../../../src/spiffe/index.ts';
import { tempDir } from '../../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';
import { answerHalf, FakeApiServer } from '../kubernetes/fake-api-server.ts';
import { untilHealed } from '../until.ts';
import { until } from '../../../testkit/until.ts';
import { FakeKumaControlPlane, refuse } from './fake-control-plane.ts';

let kuma: FakeKumaControlPlane;
let clock: TestClock;
let adapter: MeshAdapter;
let folder: ReturnType<typeof tempDir>;
let own: TestCa;
let west: TestCa;
let reported: string[][];
let ended: AbortController;
let following: Promise<void>;

beforeEach(async () => {
  [own, west] = (await Promise.all(
    ['kuma.example', 'west.example'].map((trustDomain) => createTestCa({ trustDomain })),
  )) as [TestCa, TestCa];
  kuma = new FakeKumaControlPlane();
  await kuma.start();
  kuma.putOwn('kuma.example', [pemFromCertificates([own.root])]);
  folder = tempDir();
  writeFileSync(folder.file('token'), 'good\n');
  clock = new TestClock(TEST_INSTANT);
  adapter = createKumaAdapter({
    access: { kind: 'rest', address: kuma.url, tokenFile: folder.file('token'), pollMs: 5000 },
    mesh: 'default',
    namePrefix: 'federate-',
    clock,
    random: systemRandom,
    log: silentLog,
  });
  reported = [];
  ended = new AbortController();
  following = Promise.resolve();
});
afterEach(async () => {
  ended.abort();
  await following;
  await adapter.stop();
  await kuma.stop();
  folder[Symbol.dispose]();
});

function follow(): void {
  following = (async () => {
    for await (const { roots, isConfirmed = true } of adapter.watchOwnTrust(ended.signal))
      if (!(isConfirmed && isSame(reported.at(-1), roots)))
        reported.push(roots.map(({ keyFingerprint }) => keyFingerprint));
  })();
}

const apply = (...bundles: ReturnType<TestCa['bundle']>[]) =>
  adapter.applyForeignTrust(bundles, ended.signal);
const foreign = () => Object.keys(kuma.inEffect()).filter((name) => name !== 'kuma.example');

const STATUSES = [
  [401, 'mesh-unauthenticated'],
  [403, 'mesh-forbidden'],
  [404, 'mesh-not-found'],
  [409, 'mesh-conflict'],
  [410, 'mesh-expired'],
  [500, 'mesh-unavailable'],
] as const;

describe('readOwnTrust() of Kuma', () => {
  it.each(
    STATUSES,
  )('reports status %i as %s with the control plane’s message, keeps its last report, and recovers', async (status, code) => {
    follow();
    await until(() => reported.length === 1, 'the first roots');
    kuma.answer = (_request, response) => {
      refuse(response, status, 'Could not', 'no such luck');
      return true;
    };
    await untilHealed(clock, () => adapter.status().code === code, `the code ${code}`);
    expect(adapter.status().message).toContain('no such luck');
    const asked = kuma.count('GET');
    await clock.advance(60_000);
    expect(kuma.count('GET') - asked).toBeLessThan(14);
    kuma.answer = () => false;
    await untilHealed(clock, () => adapter.status().connected, 'the recovery');
    expect(reported).toHaveLength(1);
  });

  it.each([
    ['half a message', answerHalf, 'mesh-unreachable'],
    ['no JSON', (response: ServerResponse) => void response.end('<html>'), 'mesh-answer-malformed'],
    ['no list', (response: ServerResponse) => void response.end('{"items":7}'), 'mesh-answer-malformed'],
    [
      'a nameless item',
      (response: ServerResponse) => void response.end('{"items":[{}]}'),
      'mesh-answer-malformed',
    ],
  ])('keeps the roots it had when the answer is %s', async (_what, answer, code) => {
    follow();
    await until(() => reported.length === 1, 'the first roots');
    kuma.answer = (_request, response) => {
      answer(response);
      return true;
    };
    await untilHealed(clock, () => adapter.status().code === code, `the code ${code}`);
    expect(reported).toHaveLength(1);
    kuma.answer = () => false;
    kuma.putOwn('kuma.example', [pemFromCertificates([own.root, west.root])]);
    await untilHealed(clock, () => reported.length === 2, 'the next roots');
    await untilHealed(clock, () => adapter.status().connected, 'the contact');
  });

  it('gives up on a slow control plane, and returns', async () => {
    follow();
    await until(() => reported.length === 1, 'the first roots');
    kuma.answer = () => true;
    await untilHealed(clock, () => adapter.status().code === 'mesh-unreachable', 'the end of patience');
    kuma.answer = () => false;
    await untilHealed(clock, () => adapter.status().connected, 'the recovery');
    expect(reported).toHaveLength(1);
  });

  it('returns after the control plane was down, renamed its trust domain, and was restored', async () => {
    follow();
    await until(() => reported.length === 1, 'the first roots');
    await kuma.stop();
    await untilHealed(clock, () => adapter.status().code === 'mesh-unreachable', 'the loss');
    kuma.putOwn('renamed.example', [pemFromCertificates([west.root])]);
    await kuma.start();
    await untilHealed(clock, () => reported.length === 2, 'the new name');
    kuma.trusts.delete('default/identity');
    await untilHealed(clock, () => adapter.status().code === 'own-trust-domain-missing', 'the gap');
    expect(reported).toHaveLength(2);
    kuma.putOwn('kuma.example', [pemFromCertificates([own.root])]);
    await untilHealed(clock, () => reported.length === 3 && adapter.status().connected, 'the restoration');
  });

  it('keeps the roots it had when the own MeshTrust turns bad', async () => {
    follow();
    await until(() => reported.length === 1, 'the first roots');
    kuma.putOwn('kuma.example', ['-----BEGIN CERTIFICATE-----\nMIIB']);
    await untilHealed(clock, () => adapter.status().code === 'own-roots-malformed', 'the trouble');
    kuma.putOwn('kuma_example', [pemFromCertificates([own.root])]);
    expect(reported).toHaveLength(1);
  });

  it('reads the token again for every request, and says when its file cannot be read', async () => {
    kuma.answer = ({ token }, response) => {
      if (token === 'good') return false;
      refuse(response, 401, 'Unauthenticated', 'wrong token');
      return true;
    };
    writeFileSync(folder.file('token'), 'expired');
    follow();
    await until(() => adapter.status().code === 'mesh-unauthenticated', 'the refusal');
    writeFileSync(folder.file('token'), 'good');
    await untilHealed(clock, () => adapter.status().connected, 'the recovery');
    folder[Symbol.dispose]();
    await untilHealed(clock, () => adapter.status().code === 'credentials-unusable', 'the loss');
    expect(reported).toHaveLength(1);
  });

  it('reads pages by their offset, whatever address the control plane gives for them', async () => {
    kuma.pageSize = 1;
    kuma.put('a', 'a.example', [pemFromCertificates([west.root])]);
    follow();
    await until(() => reported.length === 1, 'the roots');
    expect(kuma.count('GET')).toBe(2);
  });
});

describe('writeForeignTrust() of Kuma', () => {
  it.each(
    STATUSES.filter(([status]) => status !== 409 && status !== 401),
  )('changes nothing and reports the reason when PUT is answered with %i (%s), and recovers', async (status, code) => {
    kuma.answer = ({ method }, response) => {
      if (method !== 'PUT') return false;
      refuse(response, status, 'Could not', 'no such luck');
      return true;
    };
    const message = expect.stringContaining('no such luck') as string;
    expect(await apply(west.bundle())).toMatchObject([{ state: 'failed', code, message }]);
    expect(adapter.status()).toMatchObject({ connected: false, code });
    expect(foreign()).toEqual([]);
    kuma.answer = () => false;
    expect(await apply(west.bundle())).toMatchObject([{ state: 'written' }]);
    expect(adapter.status().connected).toBe(true);
  });

  it('fails as a whole where the control plane does not accept our credentials', async () => {
    kuma.answer = ({ method }, response) => {
      if (method !== 'PUT') return false;
      refuse(response, 401, 'Could not', 'who?');
      return true;
    };
    await expect(apply(west.bundle())).rejects.toMatchObject({ code: 'mesh-unauthenticated' });
    expect(adapter.status()).toMatchObject({ connected: false, code: 'mesh-unauthenticated' });
  });

  it('reports a refusal of one trust domain with the fields, and writes the others', async () => {
    const north = await createTestCa({ trustDomain: 'north.example' });
    kuma.answer = ({ method, path }, response) => {
      if (method !== 'PUT' || !path.includes('west')) return false;
      refuse(response, 400, 'Could not process a resource', 'Resource is not valid', [
        { field: 'name', reason: 'is too long' },
      ]);
      return true;
    };
    const [refused, written] = await apply(west.bundle(), north.bundle());
    expect(refused).toMatchObject({
      state: 'refused',
      code: 'mesh-refused',
      message: expect.stringContaining('name is too long'),
    });
    expect(written).toMatchObject({ state: 'written' });
    expect(foreign()).toEqual(['north.example']);
  });

  it('does not write again what was written although the answer was incomplete', async () => {
    kuma.answer = ({ method }, response) => {
      if (method !== 'PUT') return false;
      kuma.answer = () => false;
      response.end = ((): ServerResponse => {
        answerHalf(response);
        return response;
      }) as typeof response.end;
      response.writeHead = () => response;
      return false;
    };
    await apply(west.bundle()).catch(() => {});
    const puts = kuma.count('PUT');
    expect(foreign()).toEqual(['west.example']);
    expect(await apply(west.bundle())).toMatchObject([{ state: 'written' }]);
    expect(kuma.count('PUT')).toBe(puts);
  });

  it('writes again what a restored backup lost, and deletes what it brought back', async () => {
    const north = await createTestCa({ trustDomain: 'north.example' });
    await apply(north.bundle());
    const backup = structuredClone([...kuma.trusts]);
    await apply(west.bundle());
    kuma.trusts.clear();
    for (const [key, trust] of backup) kuma.trusts.set(key, trust);
    expect(foreign()).toEqual(['north.example']);
    expect(await apply(west.bundle())).toMatchObject([
      { trustDomain: 'west.example', state: 'written' },
      { trustDomain: 'north.example', state: 'removed' },
    ]);
    expect(foreign()).toEqual(['west.example']);
  });

  it('repairs its MeshTrust after an edit by hand', async () => {
    await apply(west.bundle());
    const [name = ''] = [...kuma.trusts.keys()].filter((key) => key.includes('federate-'));
    const made = structuredClone(kuma.trusts.get(name));
    const edited = kuma.trusts.get(name);
    if (edited) edited.spec.trustDomain = 'kuma.example';
    await apply(west.bundle());
    expect(kuma.trusts.get(name)).toEqual(made);
  });

  it.each([
    ['deleted', (name: string) => void kuma.trusts.delete(name)],
    [
      'edited',
      (name: string) => {
        const trust = kuma.trusts.get(name);
        if (trust) trust.spec.caBundles = [];
      },
    ],
  ])('requests a comparison as soon as it sees that its MeshTrust was %s', async (_what, change) => {
    follow();
    await until(() => reported.length === 1, 'the first roots');
    await apply(west.bundle());
    const progress = { count: 0 };
    adapter.onProgress(() => {
      progress.count += 1;
    });
    await untilHealed(clock, () => progress.count > 0, 'its own write to be seen');
    const [name = ''] = [...kuma.trusts.keys()].filter((key) => key.includes('federate-'));
    const before = progress.count;
    change(name);
    const took = await untilHealed(clock, () => progress.count > before, 'the change to be seen');
    expect(took).toBeLessThanOrEqual(10_000);
  });

  it('continues when another agent with its own prefix writes to the same mesh, and neither touches the other', async () => {
    const other = createKumaAdapter({
      access: { kind: 'rest', address: kuma.url, pollMs: 5000 },
      mesh: 'default',
      namePrefix: 'partner-',
      clock,
      random: systemRandom,
      log: silentLog,
    });
    const north = await createTestCa({ trustDomain: 'north.example' });
    await other.applyForeignTrust([north.bundle()], ended.signal);
    const [refused] = await apply(north.bundle(), west.bundle());
    expect(refused).toMatchObject({ state: 'refused', code: 'trust-domain-taken' });
    await other.applyForeignTrust([], ended.signal);
    expect(foreign()).toEqual(['west.example']);
  });

  it('judges by the own roots of the moment: a root that the mesh took over meanwhile is refused', async () => {
    expect(await apply(west.bundle())).toMatchObject([{ state: 'written' }]);
    kuma.putOwn('kuma.example', [pemFromCertificates([own.root, west.root])]);
    expect(await apply(west.bundle())).toMatchObject([{ state: 'refused', code: 'root-is-own' }]);
    expect(foreign()).toEqual([]);
  });
});

describe('writeForeignTrust() of Kuma over Kubernetes', () => {
  it('reads again for each try where another writer was faster (409), and keeps labels that others gave', async () => {
    await using api = new FakeApiServer();
    await api.start();
    const trusts = '/apis/kuma.io/v1alpha1/namespaces/kuma-system/meshtrusts';
    api.putObject(`${trusts}/identity`, {
      metadata: { labels: { 'kuma.io/mesh': 'default' } },
      spec: {
        trustDomain: 'kuma.example',
        caBundles: [{ type: 'Pem', pem: { value: pemFromCertificates([own.root]) } }],
      },
      status: { origin: { kri: 'kri_mid_default___identity_' } },
    });
    const kubernetes = createKumaAdapter({
      access: { kind: 'kubernetes', kubernetes: api.source, namespace: 'kuma-system' },
      mesh: 'default',
      namePrefix: 'federate-',
      clock,
      random: systemRandom,
      log: silentLog,
    });
    await kubernetes.applyForeignTrust([west.bundle()], ended.signal);
    const path = Object.keys(api.under(trusts)).find((each) => each.includes('west')) ?? '';
    let edits = 0;
    api.beforePut = () => {
      edits += 1;
      const object = api.object(path);
      if (object && edits < 3)
        api.putObject(path, {
          ...object,
          metadata: { labels: { ...object.metadata.labels, theirs: 'kept' } },
        });
    };
    const next = await createTestCa({ trustDomain: 'west.example' });
    const applied = kubernetes.applyForeignTrust([next.bundle()], ended.signal);
    await untilHealed(clock, () => edits === 3, 'the third try');
    expect(await applied).toMatchObject([{ state: 'written' }]);
    expect(api.object(path)).toMatchObject({
      metadata: { labels: { theirs: 'kept', 'kuma.io/mesh': 'default' } },
      spec: { caBundles: [{ pem: { value: pemFromCertificates([next.root]) } }] },
    });
    await kubernetes.stop();
  });
});

/** Whether a report repeats the last one, as a confirming second look does. */
function isSame(before: readonly string[] | undefined, roots: readonly X509Authority[]): boolean {
  return before?.join() === roots.map(({ keyFingerprint }) => keyFingerprint).join();
}
