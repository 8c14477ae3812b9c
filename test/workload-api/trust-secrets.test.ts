import { X509Certificate } from 'node:crypto';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  type DeltaDiscoveryRequest,
  type DiscoveryRequest,
  secretDiscoveryService,
} from '../../src/grpc/index.ts';
import { type Svid, svidFromPem } from '../../src/mtls/index.ts';
import { createMetrics, type Metrics } from '../../src/platform/index.ts';
import { bundleOf, type TrustBundle } from '../../src/spiffe/index.ts';
import { decodeSecret, type SdsSecret } from '../../src/workload-api/secret.ts';
import { WorkloadServer } from '../../src/workload-api/index.ts';
import { createRecordingLog } from '../../testkit/recording-log.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { WorkloadCaller } from '../../testkit/workload-caller.ts';

const { StreamSecrets, DeltaSecrets, FetchSecrets } = secretDiscoveryService;

let a: TestCa;
let b: TestCa;
let c: TestCa;
let svid: Svid;
beforeAll(async () => {
  [a, b, c] = (await Promise.all([
    createTestCa({ trustDomain: 'a.example' }),
    createTestCa({ trustDomain: 'b.example' }),
    createTestCa({ trustDomain: 'c.example' }),
  ])) as [TestCa, TestCa, TestCa];
  const leaf = await a.issueLeaf({ path: '/agent' });
  svid = svidFromPem(leaf.certPem, leaf.keyPem);
});

const opened: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

class World {
  foreign: TrustBundle[] = [b.bundle()];
  readonly log = createRecordingLog();
  readonly metrics: Metrics = createMetrics({ processMetrics: false });
  readonly server: WorkloadServer;
  readonly caller: WorkloadCaller;
  readonly #socket: string;

  constructor(own: TrustBundle | undefined, givesSvid: boolean) {
    const folder = tempDir();
    this.#socket = folder.file('sds.sock');
    this.server = new WorkloadServer({
      own: () => own,
      foreign: () => this.foreign,
      ...(givesSvid ? { svid: { current: () => svid, onChange: () => () => undefined } } : {}),
      maxStreams: 10,
      clock: new TestClock(TEST_INSTANT),
      log: this.log,
      metrics: this.metrics,
    });
    this.caller = new WorkloadCaller(this.#socket);
    opened.push(
      () => folder[Symbol.dispose](),
      () => this.server.stop(),
      () => this.caller[Symbol.dispose](),
    );
  }

  static async start(own: TrustBundle | 'unknown' = a.bundle(), givesSvid = false): Promise<World> {
    const world = new World(own === 'unknown' ? undefined : own, givesSvid);
    await world.server.start(world.#socket, 0o600);
    return world;
  }

  async fetch(...names: string[]): Promise<SdsSecret[]> {
    const { resources } = await this.caller.call(FetchSecrets, asking(names));
    return resources.map(decodeSecret);
  }
}

const asking = (names: readonly string[], rest: Partial<DiscoveryRequest> = {}): DiscoveryRequest => ({
  node: { id: 'envoy-1', cluster: 'test' },
  version_info: '',
  resource_names: names,
  type_url: '',
  response_nonce: '',
  ...rest,
});

const delta = (rest: Partial<DeltaDiscoveryRequest>): DeltaDiscoveryRequest => ({
  node: { id: 'envoy-1', cluster: 'test' },
  type_url: '',
  resource_names_subscribe: [],
  resource_names_unsubscribe: [],
  initial_resource_versions: {},
  response_nonce: '',
  ...rest,
});

const rootsIn = (pem: string) =>
  (pem.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? []).map((each) => new X509Certificate(each));

/** The trust domains of a SPIFFE validator, with their roots. */
function validatorOf(secret: SdsSecret | undefined): Record<string, readonly string[]> {
  if (secret?.kind !== 'spiffe-validation') throw new Error(`it is ${secret?.kind ?? 'absent'}`);
  return Object.fromEntries(
    secret.trustDomains.map(({ name, trustBundlePem }) => [
      name,
      rootsIn(trustBundlePem).map((root) => root.raw.toString('hex')),
    ]),
  );
}

const hex = (ca: TestCa) => Buffer.from(ca.root).toString('hex');

describe('WorkloadServer as SDS', () => {
  it("serves the names of SPIRE's agent: ROOTCA, ALL, one per trust domain, and default where it gives an SVID", async () => {
    const world = await World.start(a.bundle(), true);
    const [own, all, foreign, identity] = await world.fetch('ROOTCA', 'ALL', 'spiffe://b.example', 'default');
    expect(validatorOf(own)).toEqual({ 'a.example': [hex(a)] });
    expect(validatorOf(all)).toEqual({ 'a.example': [hex(a)], 'b.example': [hex(b)] });
    expect(validatorOf(foreign)).toEqual({ 'b.example': [hex(b)] });
    expect(identity).toMatchObject({ name: 'default', kind: 'certificate' });
    const everything = await world.fetch();
    expect(everything.map(({ name }) => name)).toEqual([
      'spiffe://a.example/agent',
      'spiffe://a.example',
      'spiffe://b.example',
    ]);
  });

  it('gives no SVID unless the config says so', async () => {
    const world = await World.start();
    expect(await world.fetch('default', 'spiffe://a.example/agent')).toEqual([]);
    expect(await world.fetch('ROOTCA')).toHaveLength(1);
  });

  it('serves our roots and narrowed anchors in one pool as MERGED, the same bytes until a root changes', async () => {
    const world = await World.start();
    const [merged] = await world.fetch('MERGED');
    if (merged?.kind !== 'merged-validation') throw new Error('it is no merged pool');
    const [own, anchor, ...more] = rootsIn(merged.trustedCaPem);
    expect(own?.raw.toString('hex')).toBe(hex(a));
    expect(more).toEqual([]);
    const real = new X509Certificate(b.root);
    expect(anchor?.publicKey.equals(real.publicKey)).toBe(true);
    expect(anchor?.raw.toString('hex')).not.toBe(hex(b));
    expect(merged.allowedUriSans).toEqual([]);
    await world.server.refresh();
    expect(await world.fetch('MERGED')).toEqual([merged]);
  });

  it('serves a root that nobody has the key of for a trust domain that is not trusted, or no more', async () => {
    const world = await World.start();
    const stream = world.caller.open(StreamSecrets);
    stream.say(asking(['spiffe://b.example', 'spiffe://never.example']));
    const first = (await stream.next()).resources.map(decodeSecret);
    expect(validatorOf(first[0])).toEqual({ 'b.example': [hex(b)] });
    const nobody = validatorOf(first[1])['never.example'];
    expect(nobody).toHaveLength(1);
    world.foreign = [];
    await world.server.refresh();
    const second = (await stream.next()).resources.map(decodeSecret);
    expect(validatorOf(second[0])).toEqual({ 'b.example': nobody });
    // Nor is anything said of names that are no trust domain, or before our own mesh has spoken.
    expect(await world.fetch('spiffe://b.example/path', 'b.example', 'spiffe://B')).toEqual([]);
    const silent = await World.start('unknown');
    expect(await silent.fetch('spiffe://b.example', 'ALL', 'MERGED', 'ROOTCA')).toEqual([]);
    stream.close();
  });

  it('leaves a peer with an empty bundle out of ALL', async () => {
    const world = await World.start();
    world.foreign = [bundleOf(b.trustDomain, []), c.bundle()];
    await world.server.refresh();
    expect(Object.keys(validatorOf((await world.fetch('ALL'))[0]))).toEqual(['a.example', 'c.example']);
  });

  it('counts, logs and tells what was sent, acknowledged and refused', async () => {
    const world = await World.start();
    const stream = world.caller.open(StreamSecrets);
    stream.say(asking(['ALL']));
    const first = await stream.next();
    stream.say(asking(['ALL'], { response_nonce: first.nonce, version_info: first.version_info }));
    const secrets = () => world.server.serving().proxySecrets;
    await expect.poll(secrets).toEqual([{ proxy: 'envoy-1', secret: 'ALL', current: true }]);
    world.foreign = [c.bundle()];
    await world.server.refresh();
    const second = await stream.next();
    const error = { code: status.INVALID_ARGUMENT, message: 'no such thing' };
    stream.say(asking(['ALL'], { response_nonce: second.nonce, error_detail: error }));
    await expect
      .poll(secrets)
      .toEqual([{ proxy: 'envoy-1', secret: 'ALL', current: false, refused: 'no such thing' }]);
    expect(world.log.records).toContainEqual(
      expect.objectContaining({
        level: 'warn',
        message: 'SDS secret refused by the proxy',
        fields: expect.objectContaining({ proxy: 'envoy-1', secrets: ['ALL'] }) as unknown,
      }),
    );
    const text = await world.metrics.render();
    expect(text).toContain('federate_sds_responses_total{outcome="sent"} 2');
    expect(text).toContain('federate_sds_responses_total{outcome="acknowledged"} 1');
    expect(text).toContain('federate_sds_responses_total{outcome="refused"} 1');
    stream.close();
    await expect.poll(secrets).toEqual([]);
  });

  it('serves the incremental variant: only what changed, and what the proxy still has is not sent again', async () => {
    const world = await World.start();
    const stream = world.caller.open(DeltaSecrets);
    stream.say(delta({ resource_names_subscribe: ['ROOTCA', 'ALL'] }));
    const first = await stream.next();
    expect(first.resources.map(({ name }) => name)).toEqual(['ROOTCA', 'ALL']);
    stream.say(delta({ response_nonce: first.nonce }));
    world.foreign = [c.bundle()];
    await world.server.refresh();
    const second = await stream.next();
    expect(second.resources.map(({ name }) => name)).toEqual(['ALL']);
    stream.say(delta({ response_nonce: second.nonce }));
    await expect
      .poll(() => world.server.serving().proxySecrets.map(({ current }) => current))
      .toEqual([true, true]);
    stream.close();

    const versions = Object.fromEntries(
      [...first.resources, ...second.resources].map(({ name, version }) => [name, version]),
    );
    const again = world.caller.open(DeltaSecrets);
    again.say(
      delta({
        resource_names_subscribe: ['ROOTCA', 'ALL', 'spiffe://c.example'],
        initial_resource_versions: versions,
      }),
    );
    expect((await again.next()).resources.map(({ name }) => name)).toEqual(['spiffe://c.example']);
    again.say(delta({ resource_names_unsubscribe: ['ALL'] }));
    again.say(delta({ resource_names_subscribe: ['MERGED'] }));
    expect((await again.next()).resources.map(({ name }) => name)).toEqual(['MERGED']);
    world.foreign = [b.bundle()];
    await world.server.refresh();
    const changed = (await again.next()).resources.map(({ name }) => name);
    expect(changed).toEqual(['spiffe://c.example', 'MERGED']);
    again.close();
  });

  it('notes the refusal of an incremental response for what was in it alone', async () => {
    const world = await World.start();
    const stream = world.caller.open(DeltaSecrets);
    stream.say(delta({ resource_names_subscribe: ['ROOTCA'] }));
    const first = await stream.next();
    stream.say(delta({ response_nonce: first.nonce, resource_names_subscribe: ['ALL'] }));
    const second = await stream.next();
    const error = { code: status.INVALID_ARGUMENT, message: 'not this' };
    stream.say(delta({ response_nonce: second.nonce, error_detail: error }));
    await expect
      .poll(() => world.server.serving().proxySecrets)
      .toEqual([
        { proxy: 'envoy-1', secret: 'ROOTCA', current: true },
        { proxy: 'envoy-1', secret: 'ALL', current: false, refused: 'not this' },
      ]);
    stream.close();
  });

  it('refuses another type of resource, and too many names, with InvalidArgument', async () => {
    const world = await World.start();
    const names = Array.from({ length: 5000 }, (_, index) => `spiffe://td-${index}.example`);
    const refusal = expect.objectContaining({ code: status.INVALID_ARGUMENT }) as unknown;
    for (const bad of [asking(['ALL'], { type_url: 'type.googleapis.com/other' }), asking(names)]) {
      const stream = world.caller.open(StreamSecrets);
      stream.say(bad);
      await expect(stream.next()).rejects.toEqual(refusal);
      await expect(world.caller.call(FetchSecrets, bad)).rejects.toEqual(refusal);
    }
    const stream = world.caller.open(DeltaSecrets);
    stream.say(delta({ resource_names_subscribe: names }));
    await expect(stream.next()).rejects.toEqual(refusal);
  });
});
