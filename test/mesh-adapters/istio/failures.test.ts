import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createIstioAdapter, type MeshAdapter } from '../../../src/mesh-adapters/index.ts';
import { silentLog, systemRandom } from '../../../src/platform/index.ts';
import { pemFromCertificates } from '../../../src/spiffe/index.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../../testkit/test-ca.ts';
import { TestClock } from '../../../testkit/test-clock.ts';
import { untilHealed } from '../until.ts';
import { until } from '../../../testkit/until.ts';
import { answerHalf, FakeApiServer, fail } from '../kubernetes/fake-api-server.ts';

const MESH = 'istio';
const ROOTS = 'istio-ca-root-cert';
const MESH_TEXT = `# Mesh-wide settings.
trustDomain:   istio.example   # own
defaultConfig: {proxyMetadata: {PROXY_CONFIG_XDS_AGENT: "true"}}
`;

let api: FakeApiServer;
let clock: TestClock;
let adapter: MeshAdapter;
let own: TestCa;
let west: TestCa;
let reported: string[][];
let ended: AbortController;
let following: Promise<void>;

beforeEach(async () => {
  [own, west] = (await Promise.all(
    ['istio.example', 'west.example'].map((trustDomain) => createTestCa({ trustDomain })),
  )) as [TestCa, TestCa];
  api = new FakeApiServer();
  await api.start();
  putRoots(own);
  api.put(MESH, { mesh: MESH_TEXT });
  clock = new TestClock(TEST_INSTANT);
  adapter = createIstioAdapter({
    kubernetes: api.source,
    systemNamespace: 'istio-system',
    meshConfigMap: MESH,
    rootConfigMap: { namespace: 'istio-system', name: ROOTS },
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
  await api[Symbol.asyncDispose]();
});

function putRoots(...cas: TestCa[]): void {
  api.put(ROOTS, { 'root-cert.pem': pemFromCertificates(cas.map(({ root }) => root)) });
}

function follow(): void {
  following = (async () => {
    for await (const { roots } of adapter.watchOwnTrust(ended.signal))
      reported.push(roots.map(({ keyFingerprint }) => keyFingerprint));
  })();
}

const apply = (...bundles: ReturnType<TestCa['bundle']>[]) =>
  adapter.applyForeignTrust(bundles, ended.signal);
const meshText = () => api.objects.get(MESH)?.data['mesh'] ?? '';
const connected = () => adapter.status().connected;

describe('readOwnTrust() of Istio', () => {
  it.each([
    [401, 'mesh-unauthenticated'],
    [403, 'mesh-forbidden'],
    [404, 'mesh-not-found'],
    [500, 'mesh-unavailable'],
  ])('reports status %i of a list as %s with the server’s message, pauses, and recovers', async (status, code) => {
    api.answer = ({ verb, name }, response) => {
      if (verb !== 'list' || name !== ROOTS) return false;
      fail(response, status, `no such luck with ${name}`);
      return true;
    };
    follow();
    await until(() => adapter.status().code === code, `the code ${code}`);
    // The other ConfigMap can be read, which does not hide it.
    await until(() => api.watches === 1, 'the watch of the mesh config');
    api.bookmark(MESH);
    await until(() => true, 'a turn');
    expect(adapter.status()).toMatchObject({
      connected: false,
      code,
      message: expect.stringContaining('no such luck'),
    });
    await clock.advance(60_000);
    expect(api.count('list', ROOTS)).toBeLessThan(14);
    api.answer = () => false;
    await untilHealed(clock, () => reported.length === 1 && connected(), 'the recovery');
  });

  it('takes the token of the service account again after 401', async () => {
    api.token('expired');
    api.answer = ({ token }, response) => {
      if (token === 'good') return false;
      fail(response, 401, 'Unauthorized');
      return true;
    };
    follow();
    await until(() => adapter.status().code === 'mesh-unauthenticated', 'the refusal');
    api.token('good');
    await untilHealed(clock, connected, 'the recovery');
    expect(reported).toHaveLength(1);
  });

  it.each([
    [MESH, 'mesh config'],
    [ROOTS, 'roots'],
  ])('reports the missing ConfigMap (%s), keeps its last report, and learns when it is back', async (name) => {
    follow();
    await until(() => reported.length === 1 && api.watches === 2, 'the first roots');
    const before = api.objects.get(name)?.data ?? {};
    api.delete(name);
    await until(() => !connected(), 'the loss');
    api.bookmark(name);
    api.bookmark(name === MESH ? ROOTS : MESH);
    await until(() => true, 'a turn');
    expect(adapter.status()).toMatchObject({
      code: 'mesh-not-found',
      message: `ConfigMap istio-system/${name} is not there`,
    });
    api.put(name, before);
    await until(connected, 'the return');
    expect(reported).toHaveLength(1);
  });

  it.each([
    ['no root', { 'root-cert.pem': '' }, 'own-roots-malformed'],
    ['half a root', { 'root-cert.pem': '-----BEGIN CERTIFICATE-----\nMIIB' }, 'own-roots-malformed'],
    ['no key', {}, 'own-roots-malformed'],
  ])('keeps the roots it had when the ConfigMap has %s', async (_what, data: Record<
    string,
    string
  >, code) => {
    follow();
    await until(() => reported.length === 1 && api.watches === 2, 'the first roots');
    api.put(ROOTS, data);
    await until(() => adapter.status().code === code, `the code ${code}`);
    expect(reported).toHaveLength(1);
    putRoots(own, west);
    await until(() => reported.length === 2, 'the next roots');
    expect(connected()).toBe(true);
  });

  it('continues from its version when a watch ends, without a list', async () => {
    follow();
    await until(() => reported.length === 1 && api.watches === 2, 'the first roots');
    putRoots(own, west);
    await until(() => reported.length === 2, 'the second roots');
    const version = api.objects.get(ROOTS)?.metadata.resourceVersion;
    api.endWatches('end');
    await untilHealed(clock, () => api.watches === 2, 'the next watches');
    const asked = api.requests.filter(({ verb, name }) => verb === 'watch' && name === ROOTS);
    expect(asked.at(-1)?.resourceVersion).toBe(version);
    expect(api.count('list')).toBe(2);
    expect(connected()).toBe(true);
    putRoots(own);
    await until(() => reported.length === 3, 'the third roots');
  });

  it('does not spin when every watch is closed at once', async () => {
    api.answer = ({ verb }, response) => {
      if (verb !== 'watch') return false;
      response.writeHead(200).end();
      return true;
    };
    follow();
    await until(() => reported.length === 1, 'the roots');
    for (let second = 0; second < 120; second += 1) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      await clock.advance(1000);
    }
    expect(api.count('watch', ROOTS)).toBeGreaterThan(3);
    expect(api.count('watch', ROOTS)).toBeLessThan(20);
  });

  it('drops an incomplete event of a broken watch, and misses no change meanwhile', async () => {
    follow();
    await until(() => reported.length === 1 && api.watches === 2, 'the watches');
    api.endWatches('cut');
    await until(() => !connected(), 'the loss');
    expect(adapter.status()).toMatchObject({ code: 'mesh-unreachable' });
    // The version is no longer stored, nor are the missed events: list again.
    api.answer = ({ verb }, response) => {
      if (verb !== 'watch') return false;
      fail(response, 410, 'too old resource version');
      api.answer = () => false;
      return true;
    };
    putRoots(own, west);
    await untilHealed(clock, () => api.watches === 2 && connected(), 'the next watches');
    api.put(ROOTS, api.objects.get(ROOTS)?.data ?? {});
    await until(() => reported.length === 2, 'the second roots');
    expect(reported[1]).toHaveLength(2);
  });

  it('lists after the connection broke, because a restored backup sends no event', async () => {
    follow();
    await until(() => reported.length === 1 && api.watches === 2, 'the watches');
    const roots = api.objects.get(ROOTS);
    if (roots) roots.data['root-cert.pem'] = pemFromCertificates([own.root, west.root]);
    api.endWatches('cut');
    await untilHealed(clock, () => reported.length === 2 && connected(), 'the roots of the backup');
    expect(reported[1]).toHaveLength(2);
  });

  it('returns after the API server was restarted, with the roots of that moment', async () => {
    follow();
    await until(() => reported.length === 1 && api.watches === 2, 'the first roots');
    await api.stop();
    await until(() => !connected(), 'the loss');
    await clock.advance(120_000);
    expect(adapter.status()).toMatchObject({ connected: false, code: 'mesh-unreachable' });
    await api.start();
    await untilHealed(clock, () => api.watches === 2 && connected(), 'the next watches');
    putRoots(own, west);
    await until(() => reported.length === 2, 'the second roots');
    expect(reported).toHaveLength(2);
  });
});

describe('writeForeignTrust() of Istio', () => {
  it.each([
    ['GET', 'get', 403, 'mesh-forbidden'],
    ['GET', 'get', 404, 'mesh-not-found'],
    ['GET', 'get', 500, 'mesh-unavailable'],
    ['PUT', 'put', 403, 'mesh-forbidden'],
    ['PUT', 'put', 404, 'mesh-not-found'],
    ['PUT', 'put', 422, 'mesh-refused'],
    ['PUT', 'put', 500, 'mesh-unavailable'],
  ])('changes nothing and reports the reason when %s (%s) is answered with %i, and recovers', async (_verb, verb, status, code) => {
    api.answer = (request, response) => {
      if (request.verb !== verb) return false;
      fail(response, status, 'no such luck');
      return true;
    };
    await expect(apply(west.bundle())).rejects.toMatchObject({
      code,
      message: expect.stringContaining('no such luck'),
    });
    expect(adapter.status()).toMatchObject({ connected: false, code });
    expect(meshText()).toBe(MESH_TEXT);
    expect(api.count('put')).toBe(verb === 'put' ? 1 : 0);
    api.answer = () => false;
    expect(await apply(west.bundle())).toMatchObject([{ state: 'written' }]);
    expect(connected()).toBe(true);
  });

  it('finds after an incomplete answer to its PUT that all is written, and does not write it again', async () => {
    api.beforePut = () => {
      api.answer = (request, response) => {
        if (request.verb !== 'put') return false;
        api.answer = () => false;
        // Written, but the answer is lost.
        response.end = ((): typeof response => {
          answerHalf(response);
          return response;
        }) as typeof response.end;
        return false;
      };
    };
    await expect(apply(west.bundle())).rejects.toMatchObject({ code: 'mesh-unreachable' });
    expect(meshText()).toContain('west.example');
    api.beforePut = () => {};
    expect(await apply(west.bundle())).toMatchObject([{ state: 'written' }]);
    expect(api.count('put')).toBe(1);
  });

  it('reads again for each try where another writer was faster (409), at once and then with pauses, keeps what they wrote, and gives up in the end', async () => {
    let edits = 0;
    api.beforePut = () => {
      edits += 1;
      if (edits <= 4) api.put(MESH, { mesh: `${MESH_TEXT}edit: ${edits}\n` });
    };
    // The clock stands still, so it does not pause.
    expect(await apply(west.bundle())).toMatchObject([{ state: 'written' }]);
    expect(meshText()).toContain('edit: 4\n');
    expect(api.count('put')).toBe(5);
    api.beforePut = () => api.put(MESH, { mesh: meshText() });
    const lost = apply().catch((error: unknown) => error);
    await untilHealed(clock, () => api.count('put') === 35, 'the sixth round of tries');
    expect(await lost).toMatchObject({ code: 'mesh-conflict' });
    expect(api.count('put')).toBe(35);
  });

  it('writes its entries again after another writer has replaced the ConfigMap meanwhile, and only those', async () => {
    await apply(west.bundle());
    const replaced = '# Rendered by helm upgrade.\ntrustDomain: istio.example\nextra: 1\n';
    api.put(MESH, { mesh: replaced }, {});
    const object = api.objects.get(MESH);
    if (object) delete object.metadata['annotations'];
    expect(await apply(west.bundle())).toMatchObject([{ state: 'written' }]);
    expect(meshText().startsWith(replaced)).toBe(true);
    expect(meshText()).toContain('west.example');
    await apply();
    expect(meshText()).toBe(replaced);
  });

  it('knows its entries without its annotation, which another writer dropped, and removes them completely', async () => {
    await apply(west.bundle());
    const object = api.objects.get(MESH);
    if (object) delete object.metadata['annotations'];
    const before = meshText();
    await apply(west.bundle());
    expect(meshText()).toBe(before);
    await apply();
    expect(meshText()).not.toContain('west.example');
    expect(meshText()).toContain('trustDomain:   istio.example   # own');
  });

  it('keeps everything of others byte for byte: other keys, binary data, labels, fields it does not know', async () => {
    const data = {
      mesh: MESH_TEXT.replaceAll('\n', '\r\n'),
      meshNetworks: 'networks: {}\n\n# \u{1f50f} tail  ',
      empty: '',
    };
    const more = {
      binaryData: { logo: Buffer.from([0, 255, 1]).toString('base64') },
      immutable: false,
      future: { deep: [1, null, { a: 'b' }] },
    };
    api.put(MESH, data, more);
    const object = api.objects.get(MESH);
    Object.assign(object?.metadata ?? {}, {
      labels: { app: 'istiod' },
      annotations: { theirs: '{"x": 1}' },
      finalizers: ['example.com/keep'],
      managedFields: [{ manager: 'helm', fieldsV1: { 'f:data': {} } }],
    });
    const strip = () => {
      const now = structuredClone(api.objects.get(MESH));
      if (now) now.metadata.resourceVersion = '';
      return now;
    };
    const before = strip();
    await apply(west.bundle());
    const during = strip();
    expect(during).toEqual({
      ...before,
      metadata: { ...before?.metadata, annotations: expect.objectContaining({ theirs: '{"x": 1}' }) },
      data: { ...before?.data, mesh: expect.stringContaining('west.example') },
    });
    expect(during?.data['mesh']?.startsWith(data.mesh)).toBe(true);
    await apply();
    expect(strip()).toEqual(before);
  });
});
