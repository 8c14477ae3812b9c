import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Catalogue, type OfferedService, writeCatalogue } from '../../../src/services/index.ts';
import { parseTrustDomain, signStatement } from '../../../src/spiffe/index.ts';
import {
  AUDIENCE,
  catalogueWith,
  identityOf,
  offeredPort,
  offeredService,
  OWNER,
} from '../../../testkit/catalogues.ts';
import { createTestCa, TEST_INSTANT } from '../../../testkit/test-ca.ts';
import { FakeOwner, ImportWorld } from './import-world.ts';

const MINUTE_MS = 60_000;

let world: ImportWorld;
let owner: FakeOwner;
const info = offeredService('info');
const INFO = 'info.owner.federated serving spiffe://owner.example/sa/info';
beforeEach(async () => {
  [world, owner] = await Promise.all([ImportWorld.start(), FakeOwner.start(OWNER)]);
  await world.add(owner);
  await owner.offer([info]);
  await world.import('info');
});
afterEach(async () => {
  // Whatever the owner did, the last good one is used and nothing else.
  const wanted = world.wanted();
  await owner[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
  if (wanted.join() !== INFO) throw new Error(`the owner changed what is used: ${wanted.join()}`);
});

/** The claims of a list of `info`, changed. */
const claims = (change: Record<string, unknown>) => ({
  ...writeCatalogue(catalogueWith([info], { sequence: 9, issuedAt: TEST_INSTANT })),
  ...change,
});

/** Signs claims as the owner does. */
const signed = (
  change: Record<string, unknown>,
  lifetimeMs = MINUTE_MS,
  type = 'federate-exports+jws' as const,
) =>
  signStatement({
    type,
    signer: owner.signer,
    audience: AUDIENCE,
    issuedAt: TEST_INSTANT,
    expiresAt: new Date(TEST_INSTANT.getTime() + lifetimeMs),
    claims: claims(change),
  });

const withSni = (sni: string): OfferedService => ({ ...info, ports: [offeredPort({ sni })] });
const many = (count: number) => Array.from({ length: count }, (_, index) => offeredService(`s${index}`));
const at = (host: string): Partial<Catalogue> => ({
  gateways: [{ id: 'gw1', host, port: 15443, priority: 0 }],
});

describe('a hostile owner gets one code, one line of history, and changes nothing', () => {
  const foreign = parseTrustDomain('importer.example');
  it.each<[string, string, readonly OfferedService[], Partial<Catalogue>]>([
    ['catalogue-too-large', 'ten thousand services', many(10_000), {}],
    ['catalogue-too-large', 'a thousand and one services', many(1001), {}],
    ['catalogue-duplicate', 'the same ID twice', [info, { ...info, ports: withSni('b.example').ports }], {}],
    ['catalogue-sni-invalid', 'an SNI with an underscore', [withSni('in_fo.owner.example')], {}],
    ['catalogue-sni-invalid', 'the name of a cluster', [withSni('info.weather.svc.cluster.local')], {}],
    ['catalogue-sni-taken', 'an SNI under our trust domain', [withSni('info.importer.example')], {}],
    ['catalogue-sni-taken', 'an SNI of one of our exports', [withSni('ours.test')], {}],
    ['catalogue-forbidden-address', 'a gateway on this machine', [info], at('127.0.0.1')],
    ['catalogue-forbidden-address', 'a gateway on this machine by IPv6', [info], at('::1')],
    ['catalogue-forbidden-address', 'a gateway on this machine, mapped', [info], at('::ffff:127.0.0.1')],
    ['catalogue-forbidden-address', 'a gateway on the link', [info], at('169.254.10.10')],
    ['catalogue-forbidden-address', 'where a cloud hands out credentials', [info], at('169.254.169.254')],
    ['catalogue-forbidden-address', 'a gateway in a private network', [info], at('10.96.0.1')],
    ['catalogue-forbidden-address', 'the name localhost', [info], at('localhost')],
    ['catalogue-forbidden-address', 'a name of this cluster', [info], at('kubernetes.default.svc')],
    ['catalogue-forbidden-address', 'a name that the search list completes', [info], at('kubernetes')],
    ['catalogue-forbidden-address', 'an address written as a number', [info], at('2130706433')],
    ['catalogue-forbidden-address', 'an address written in short', [info], at('127.1')],
    ['catalogue-forbidden-address', 'an address with a zone', [info], at('fe80::1%eth0')],
    [
      'catalogue-replayed',
      'the same number with other content',
      [withSni('b.owner.example')],
      { sequence: 1 },
    ],
    [
      'catalogue-other-audience',
      'a list for another peer',
      [info],
      { audience: parseTrustDomain('c.example') },
    ],
    ['catalogue-foreign-identity', 'a list about another', [info], { trustDomain: foreign }],
  ])('%s: %s', async (code, _, services, parts) => {
    world.ownSnis.add('ours.test');
    await owner.offer(services, parts);
    expect(await world.ask()).toBe(`refused ${code}`);
    const before = await world.agent.store.chainHead();
    expect(await world.ask()).toBe(`refused ${code}`);
    // The repetition is counted, and adds nothing to the history.
    expect(await world.agent.store.chainHead()).toEqual(before);
    expect(await world.agent.store.incidents({ open: true })).toMatchObject([
      { kind: 'catalogue-refused', code, count: 2 },
    ]);
    const [newest] = await world.agent.store.catalogueVersions(OWNER, 'received');
    expect(newest).toMatchObject({ verdict: 'refused', reason: { code } });
    await owner.offer([info], { sequence: 20 });
    expect(await world.ask()).toBe('unchanged');
    expect(await world.agent.store.incidents({ open: true })).toEqual([]);
  });

  it('catalogue-foreign-identity: identities of others', async () => {
    for (const id of ['spiffe://importer.example/sa/info', 'spiffe://c.example/sa/info']) {
      const service = { ...JSON.parse(JSON.stringify(claims({}))).services[0], spiffe_ids: [id] };
      owner.token = await signed({ services: [service] });
      expect(await world.ask()).toBe('refused catalogue-foreign-identity');
    }
  });

  it('catalogue-replayed: an older list', async () => {
    const old = owner.token;
    const web = offeredService('web');
    await owner.offer([info, web]);
    expect(await world.ask()).toBe('accepted');
    owner.token = old;
    expect(await world.ask()).toBe('refused catalogue-replayed');
    await world.restart();
    expect(await world.ask()).toBe('refused catalogue-replayed');
  });

  it('catalogue-expired: a list whose time is over', async () => {
    owner.token = await signed({}, MINUTE_MS);
    await world.agent.clock.advance(200_000);
    expect(await world.ask()).toBe('refused catalogue-expired');
  });

  it('catalogue-signer: another identity of the same trust domain, and another trust domain', async () => {
    const workload = await owner.ca.issueLeaf({ path: '/sa/info' });
    const stranger = await createTestCa({ trustDomain: OWNER });
    const agent = await stranger.issueLeaf({ path: '/federate' });
    for (const leaf of [workload, agent]) {
      const signer = { id: leaf.id, certificateChain: leaf.chain, privateKey: leaf.key };
      owner.token = await owner.sign(catalogueWith([info], { sequence: 9, issuedAt: TEST_INSTANT }), signer);
      expect(await world.ask()).toBe('refused catalogue-signer');
    }
    owner.token = `${(await signed({})).slice(0, -20)}${'A'.repeat(20)}`;
    expect(await world.ask()).toBe('refused catalogue-signer');
  });

  it.each(['', 'nothing', '{}', 'a.b.c', '....'])('catalogue-malformed: %j', async (token) => {
    owner.token = token;
    expect(await world.ask()).toBe('refused catalogue-malformed');
  });

  it('catalogue-malformed: another kind of statement', async () => {
    owner.token = await signStatement({
      type: 'federate-seen+jws',
      signer: owner.signer,
      audience: AUDIENCE,
      issuedAt: TEST_INSTANT,
      expiresAt: new Date(TEST_INSTANT.getTime() + MINUTE_MS),
      claims: claims({}),
    });
    expect(await world.ask()).toBe('refused catalogue-malformed');
  });

  it('an answer without end', async () => {
    owner.token = 'a'.repeat(600 * 1024);
    expect(await world.ask()).toBe('refused catalogue-too-large');
  });

  it('catalogue-flapping: a list that changes each second', async () => {
    const outcomes: string[] = [];
    for (let turn = 0; turn < 60; turn += 1) {
      const web = offeredService('web', { spiffeIds: [identityOf(`web${turn}`)] });
      await owner.offer([info, web], {}, world.agent.clock.now());
      outcomes.push(await world.ask());
      await world.agent.clock.advance(1000);
    }
    expect(outcomes.filter((outcome) => outcome === 'accepted').length).toBeLessThanOrEqual(21);
    expect(outcomes.at(-1)).toBe('refused catalogue-flapping');
    const versions = await world.agent.store.catalogueVersions(OWNER, 'received', { limit: 1000 });
    expect(versions.length).toBeLessThan(25);
    const incidents = await world.agent.store.incidents({ trustDomain: OWNER });
    expect(incidents.filter(({ kind }) => kind === 'catalogue-flapping').length).toBeLessThanOrEqual(6);
  });

  it('refused lists that differ each second do not fill the store', async () => {
    for (let turn = 0; turn < 80; turn += 1) {
      await owner.offer([withSni(`in_fo${turn}.owner.example`)], { sequence: 10 + turn });
      expect(await world.ask()).toBe('refused catalogue-sni-invalid');
    }
    const versions = await world.agent.store.catalogueVersions(OWNER, 'received', { limit: 1000 });
    expect(versions.length).toBeLessThanOrEqual(50);
  });

  it('an endpoint that exports nothing, or does not answer', async () => {
    owner.token = undefined;
    expect(await world.ask()).toBe('nothing-offered');
    owner.peer.reception = 'reset';
    expect(await world.ask()).toMatch(/^failed /);
  });
});

describe('addresses that the operator allows', () => {
  it.each(['127.0.0.1', '10.1.2.3'])('are taken: %s', async (host) => {
    world.settings = { ...world.settings, allowedGatewayRanges: ['127.0.0.0/8', '10.1.0.0/16'] };
    await owner.offer([info], at(host));
    expect(await world.ask()).toBe('accepted');
  });

  it('never include where a cloud hands out credentials', async () => {
    world.settings = { ...world.settings, allowedGatewayRanges: ['0.0.0.0/0'] };
    await owner.offer([info], at('169.254.169.254'));
    expect(await world.ask()).toBe('refused catalogue-forbidden-address');
  });
});
