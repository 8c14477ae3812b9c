import { statSync } from 'node:fs';
import { status } from '@grpc/grpc-js';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { spiffeWorkloadService } from '../../src/grpc/index.ts';
import { type Svid, svidFromPem } from '../../src/mtls/index.ts';
import { createMetrics, silentLog } from '../../src/platform/index.ts';
import { bundleOf, type TrustBundle } from '../../src/spiffe/index.ts';
import { WorkloadServer } from '../../src/workload-api/index.ts';
import { tempDir } from '../../testkit/temp-dir.ts';
import { createTestCa, TEST_INSTANT, type TestCa } from '../../testkit/test-ca.ts';
import { TestClock } from '../../testkit/test-clock.ts';
import { createTokenKey, plainClaims, signToken, type TokenKey } from '../../testkit/test-tokens.ts';
import { WorkloadCaller, workloadHeader } from '../../testkit/workload-caller.ts';

const { FetchX509SVID, FetchX509Bundles, FetchJWTSVID, FetchJWTBundles, ValidateJWTSVID } =
  spiffeWorkloadService;

let a: TestCa;
let a2: TestCa;
let b: TestCa;
let c: TestCa;
let svid: Svid;
let keyA: TokenKey;
let keyB: TokenKey;
beforeAll(async () => {
  [a, a2, b, c] = (await Promise.all([
    createTestCa({ trustDomain: 'a.example' }),
    createTestCa({ trustDomain: 'a.example', subject: 'CN=A2' }),
    createTestCa({ trustDomain: 'b.example' }),
    createTestCa({ trustDomain: 'c.example' }),
  ])) as [TestCa, TestCa, TestCa, TestCa];
  const below = await a.issueIntermediate();
  const leaf = await below.issueLeaf({ path: '/agent' });
  svid = svidFromPem(leaf.certPem, leaf.keyPem);
  keyA = createTokenKey('P-256', 'key-a');
  keyB = createTokenKey('rsa-2048', 'key-b');
});

const opened: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close();
});

/** A server whose content is in plain variables. */
class World {
  own: TrustBundle | undefined;
  foreign: TrustBundle[] = [];
  svid: Svid | undefined;
  readonly clock = new TestClock(TEST_INSTANT);
  readonly #folder = tempDir();
  readonly socket = this.#folder.file('workload.sock');
  readonly server: WorkloadServer;

  constructor(options: { readonly givesSvid?: boolean; readonly maxStreams?: number } = {}) {
    this.server = new WorkloadServer({
      own: () => this.own,
      foreign: () => this.foreign,
      ...(options.givesSvid === true
        ? { svid: { current: () => this.svid, onChange: () => () => undefined } }
        : {}),
      maxStreams: options.maxStreams ?? 100,
      clock: this.clock,
      log: silentLog,
      metrics: createMetrics({ processMetrics: false }),
    });
    opened.push(() => this.#folder[Symbol.dispose]());
  }

  static async start(options: ConstructorParameters<typeof World>[0] & Partial<World> = {}): Promise<World> {
    const world = new World(options);
    world.own = options.own;
    world.foreign = options.foreign ?? [];
    world.svid = options.svid;
    await world.server.start(world.socket, 0o600);
    opened.push(() => world.server.stop());
    return world;
  }

  caller(metadata = workloadHeader('true')): WorkloadCaller {
    const caller = new WorkloadCaller(this.socket, metadata);
    opened.push(() => caller[Symbol.dispose]());
    return caller;
  }
}

const ofA = () => bundleOf(a.trustDomain, [a.authority], { jwtAuthorities: [keyA.authority] });
const ofB = () => bundleOf(b.trustDomain, [b.authority], { jwtAuthorities: [keyB.authority] });

describe('WorkloadServer and the dates of roots', () => {
  const hour = 3_600_000;
  const older = ({ authority }: TestCa, endsInMs: number) => ({
    ...authority,
    fingerprint: 'e'.repeat(64),
    der: Uint8Array.from([...authority.der, 0]),
    notBefore: new Date(TEST_INSTANT.getTime() - 400 * 24 * hour),
    notAfter: new Date(TEST_INSTANT.getTime() + endsInMs),
  });
  const lengths = async (world: World) => {
    const { bundles } = await world.caller().first(FetchX509Bundles, {});
    return Object.fromEntries(Object.entries(bundles).map(([id, { length }]) => [id, length]));
  };

  it('gives out no expired root, foreign or own, and removes one when it expires', async () => {
    const own = bundleOf(a.trustDomain, [older(a, hour), a.authority]);
    const foreign = [
      bundleOf(b.trustDomain, [older(b, -hour), b.authority]),
      bundleOf(c.trustDomain, [{ ...older(c, -hour), der: c.root }]),
    ];
    const world = await World.start({ own, foreign });
    const [ofRootA, ofRootB] = [a.root.length, b.root.length];
    expect(await lengths(world)).toEqual({
      'spiffe://a.example': 2 * ofRootA + 1,
      'spiffe://b.example': ofRootB,
    });
    expect(await world.server.correct()).toBe(false);
    await world.clock.advance(hour);
    expect(await world.server.correct()).toBe(true);
    expect(await lengths(world)).toEqual({ 'spiffe://a.example': ofRootA, 'spiffe://b.example': ofRootB });
    expect(await world.server.correct()).toBe(false);
  });

  it('keeps our own roots when all have expired, so that the foreign ones stay', async () => {
    const own = bundleOf(a.trustDomain, [{ ...older(a, -hour), der: a.root }]);
    const world = await World.start({ own, foreign: [ofB()] });
    expect(Object.keys(await lengths(world))).toEqual(['spiffe://a.example', 'spiffe://b.example']);
  });
});

describe('WorkloadServer', () => {
  it('answers a plain client without TLS on a Unix socket of the mode it was given (WLAPI-01, WLAPI-02, WLAPI-05)', async () => {
    const world = await World.start({ own: ofA() });
    expect(statSync(world.socket).mode & 0o777).toBe(0o600);
    const { bundles } = await world.caller().first(FetchX509Bundles, {});
    expect(Object.keys(bundles)).toEqual(['spiffe://a.example']);
  });

  it.each([
    ['nothing', []],
    ['True', ['True']],
    ['1', ['1']],
    ['two values', ['true', 'true']],
  ])('refuses every method to a caller whose header is %s, as InvalidArgument (WLAPI-04)', async (_, values) => {
    const world = await World.start({ own: ofA(), givesSvid: true, svid });
    // The valid twin.
    await world.caller().first(FetchX509Bundles, {});
    const caller = world.caller(workloadHeader(...values));
    const refusal = expect.objectContaining({ code: status.INVALID_ARGUMENT });
    await expect(caller.first(FetchX509SVID, {})).rejects.toEqual(refusal);
    await expect(caller.first(FetchX509Bundles, {})).rejects.toEqual(refusal);
    await expect(caller.first(FetchJWTBundles, {})).rejects.toEqual(refusal);
    await expect(caller.call(FetchJWTSVID, { audience: ['x'], spiffe_id: '' })).rejects.toEqual(refusal);
    await expect(caller.call(ValidateJWTSVID, { audience: 'x', svid: 'y' })).rejects.toEqual(refusal);
  });

  it('refuses an identity with PermissionDenied where there is none, and with Unavailable while it is awaited (WLAPI-09, WLAPI-11)', async () => {
    const none = await World.start({ own: ofA() });
    const denied = expect.objectContaining({ code: status.PERMISSION_DENIED });
    await expect(none.caller().first(FetchX509SVID, {})).rejects.toEqual(denied);
    await expect(none.caller().call(FetchJWTSVID, { audience: ['x'], spiffe_id: '' })).rejects.toEqual(
      denied,
    );
    const unavailable = expect.objectContaining({ code: status.UNAVAILABLE });
    const awaited = await World.start({ own: ofA(), givesSvid: true });
    await expect(awaited.caller().first(FetchX509SVID, {})).rejects.toEqual(unavailable);
    const silent = await World.start({ foreign: [ofB()] });
    await expect(silent.caller().first(FetchX509Bundles, {})).rejects.toEqual(unavailable);
    await expect(silent.caller().first(FetchJWTBundles, {})).rejects.toEqual(unavailable);
  });

  it('answers unknown methods, including those for WIT-SVIDs, with Unimplemented (WLAPI-10, WLAPI-28)', async () => {
    const world = await World.start({ own: ofA() });
    const caller = world.caller();
    await caller.first(FetchX509Bundles, {});
    for (const path of ['FetchWITSVID', 'FetchWITBundles', 'FetchFederated']) {
      const other = { ...FetchX509Bundles, path: `/SpiffeWorkloadAPI/${path}` };
      await expect(caller.first(other, {})).rejects.toMatchObject({ code: status.UNIMPLEMENTED });
    }
  });

  it('pushes the complete state at once and on every change, and no equal one (WLAPI-13, WLAPI-14)', async () => {
    const world = await World.start({ own: ofA(), foreign: [ofB()] });
    const stream = world.caller().stream(FetchX509Bundles, {});
    const next = async () => {
      const { value } = await stream.next();
      return value && Object.keys(value.bundles);
    };
    expect(await next()).toEqual(['spiffe://a.example', 'spiffe://b.example']);
    await world.server.refresh();
    world.foreign = [ofB(), c.bundle()];
    await world.server.refresh();
    expect(await next()).toEqual(['spiffe://a.example', 'spiffe://b.example', 'spiffe://c.example']);
    // Changes during one computation go out together.
    world.foreign = [];
    const refreshes = [world.server.refresh()];
    world.foreign = [ofB()];
    refreshes.push(world.server.refresh());
    world.foreign = [c.bundle()];
    refreshes.push(world.server.refresh());
    await Promise.all(refreshes);
    expect(await next()).toEqual(['spiffe://a.example']);
    expect(await next()).toEqual(['spiffe://a.example', 'spiffe://c.example']);
    await stream.return();
  });

  it('gives the SVID, its key and its own bundle in DER, and foreign bundles with it (WLAPI-18, WLAPI-19, WLAPI-20, WLAPI-26)', async () => {
    const own = bundleOf(a.trustDomain, [a.authority, a2.authority]);
    const world = await World.start({ own, foreign: [ofB()], givesSvid: true, svid });
    const { svids, crl, federated_bundles: federated } = await world.caller().first(FetchX509SVID, {});
    expect(svids).toEqual([
      {
        spiffe_id: 'spiffe://a.example/agent',
        x509_svid: Buffer.concat(svid.certificateChain),
        x509_svid_key: svid.privateKey.export({ type: 'pkcs8', format: 'der' }),
        bundle: Buffer.concat(own.x509Authorities.map(({ der }) => der)),
        hint: '',
      },
    ]);
    expect(svid.certificateChain).toHaveLength(2);
    expect(crl).toEqual([]);
    expect(federated).toEqual({ 'spiffe://b.example': Buffer.from(b.root) });
  });

  it('gives no SVID of a trust domain that is not its own', async () => {
    const world = await World.start({ own: b.bundle(), givesSvid: true, svid });
    await expect(world.caller().first(FetchX509SVID, {})).rejects.toMatchObject({
      code: status.UNAVAILABLE,
    });
    world.own = ofA();
    await world.server.refresh();
    expect((await world.caller().first(FetchX509SVID, {})).svids).toHaveLength(1);
  });

  it('gives JWK Sets of JWT keys only, by trust domain, without use and without certificates (WLAPI-19, WLAPI-22, WLAPI-23)', async () => {
    const world = await World.start({ own: ofA(), foreign: [ofB()] });
    const { bundles } = await world.caller().first(FetchJWTBundles, {});
    const read = Object.entries(bundles).map(([id, bytes]) => [id, JSON.parse(bytes.toString()) as unknown]);
    expect(read).toEqual([
      ['spiffe://a.example', { keys: [{ ...keyA.authority.jwk, kid: 'key-a' }] }],
      ['spiffe://b.example', { keys: [{ ...keyB.authority.jwk, kid: 'key-b' }] }],
    ]);
  });

  it('has no X.509 entry and an empty JWK Set for a peer whose bundle is empty, and always one of its own (WLAPI-21, WLAPI-25)', async () => {
    const world = await World.start({ own: ofA(), foreign: [bundleOf(b.trustDomain, [])] });
    const caller = world.caller();
    const x509 = await caller.first(FetchX509Bundles, {});
    expect(x509.bundles).toEqual({ 'spiffe://a.example': Buffer.from(a.root) });
    const jwt = await caller.first(FetchJWTBundles, {});
    expect(jwt.bundles['spiffe://b.example']?.toString()).toBe('{"keys":[]}');
    world.own = bundleOf(a.trustDomain, [], { jwtAuthorities: [keyA.authority] });
    await world.server.refresh();
    await expect(caller.first(FetchX509Bundles, {})).rejects.toMatchObject({ code: status.UNAVAILABLE });
  });

  it('never takes a foreign bundle for its own trust domain', async () => {
    const world = await World.start({ own: ofA(), foreign: [a2.bundle()] });
    const { bundles } = await world.caller().first(FetchX509Bundles, {});
    expect(bundles).toEqual({ 'spiffe://a.example': Buffer.from(a.root) });
  });

  it('validates tokens, ours with all claims and foreign ones with the registered (WLAPI-27)', async () => {
    const world = await World.start({ own: ofA(), foreign: [ofB()] });
    const caller = world.caller();
    const extra = { iat: 1, role: 'admin', nested: { list: [1, true, null, 'x'] } };
    const ours = signToken(keyA, {
      claims: { ...plainClaims('spiffe://a.example/w'), ...extra, aud: ['s'] },
    });
    const proven = await caller.call(ValidateJWTSVID, { audience: 's', svid: ours });
    expect(proven.spiffe_id).toBe('spiffe://a.example/w');
    expect(proven.claims?.fields).toMatchObject({
      sub: { string_value: 'spiffe://a.example/w' },
      aud: { list_value: { values: [{ string_value: 's' }] } },
      role: { string_value: 'admin' },
      nested: {
        struct_value: {
          fields: {
            list: {
              list_value: {
                values: [{ number_value: 1 }, { bool_value: true }, { null_value: 0 }, { string_value: 'x' }],
              },
            },
          },
        },
      },
    });
    const theirs = signToken(keyB, {
      claims: { ...plainClaims('spiffe://b.example/w'), ...extra, aud: ['s'] },
      alg: 'RS256',
    });
    const foreign = await caller.call(ValidateJWTSVID, { audience: 's', svid: theirs });
    expect(Object.keys(foreign.claims?.fields ?? {}).sort()).toEqual(['aud', 'exp', 'iat', 'sub']);
  });

  it('refuses tokens that prove nothing, and requests without what they need, as InvalidArgument (WLAPI-16, WLAPI-27)', async () => {
    const world = await World.start({ own: ofA() });
    const caller = world.caller();
    const claims = { ...plainClaims('spiffe://a.example/w'), aud: ['s'] };
    const good = signToken(keyA, { claims });
    await caller.call(ValidateJWTSVID, { audience: 's', svid: good });
    const refusal = expect.objectContaining({ code: status.INVALID_ARGUMENT });
    const forged = signToken({ ...keyA, privateKey: createTokenKey('P-256').privateKey }, { claims });
    for (const request of [
      { audience: 'other', svid: good },
      { audience: 's', svid: forged },
      { audience: 's', svid: 'no token' },
      { audience: '', svid: good },
      { audience: 's', svid: '' },
    ])
      await expect(caller.call(ValidateJWTSVID, request)).rejects.toEqual(refusal);
    await expect(caller.call(FetchJWTSVID, { audience: [], spiffe_id: '' })).rejects.toEqual(refusal);
    await expect(caller.call(FetchJWTSVID, { audience: [''], spiffe_id: '' })).rejects.toEqual(refusal);
  });

  it('refuses streams beyond the limit, and accepts others when one ends', async () => {
    const world = await World.start({ own: ofA(), maxStreams: 2 });
    const caller = world.caller();
    const held = [caller.stream(FetchX509Bundles, {}), caller.stream(FetchX509Bundles, {})];
    for (const stream of held) await stream.next();
    await expect(caller.first(FetchX509Bundles, {})).rejects.toMatchObject({
      code: status.RESOURCE_EXHAUSTED,
    });
    await held[0]?.return();
    await expect.poll(() => world.server.serving().workloadStreams.FetchX509Bundles).toBe(1);
    await caller.first(FetchX509Bundles, {});
    await held[1]?.return();
  });
});

describe('WorkloadServer.correct()', () => {
  it('gives out the present trust when a change was not announced, and reports that once', async () => {
    const world = await World.start({ own: a.bundle(), foreign: [b.bundle()] });
    expect(await world.server.correct()).toBe(false);
    world.foreign = [];
    expect(await world.server.correct()).toBe(true);
    expect(await world.server.correct()).toBe(false);
    const { bundles } = await world.caller().first(FetchX509Bundles, {});
    expect(Object.keys(bundles)).toEqual(['spiffe://a.example']);
  });
});

describe('WorkloadServer.refresh()', () => {
  it('loses no change, at any moment of another refresh', async () => {
    const world = await World.start({ own: a.bundle(), foreign: [b.bundle()] });
    for (let turns = 0; turns < 12; turns += 1) {
      world.foreign = [b.bundle()];
      await world.server.refresh();
      const first = world.server.refresh();
      for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
      world.foreign = [];
      await Promise.all([first, world.server.refresh()]);
      expect([turns, await world.server.correct()]).toEqual([turns, false]);
    }
  });
});
