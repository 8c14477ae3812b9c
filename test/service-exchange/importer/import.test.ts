import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/index.ts';
import { identityOf, offeredPort, offeredService, OWNER } from '../../../testkit/catalogues.ts';
import { FakeOwner, ImportWorld } from './import-world.ts';

let world: ImportWorld;
let owner: FakeOwner;
beforeEach(async () => {
  [world, owner] = await Promise.all([ImportWorld.start(), FakeOwner.start(OWNER)]);
  await world.add(owner);
});
afterEach(async () => {
  await owner[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

const info = offeredService('info');
const web = offeredService('web');
const INFO = 'info.owner.federated serving spiffe://owner.example/sa/info';

describe('an import', () => {
  it('follows the offer: offered, imported, draining, gone', async () => {
    await owner.offer([info, web]);
    expect(await world.ask()).toBe('accepted');
    expect(world.wanted()).toEqual([]);
    await world.import('info');
    expect(world.wanted()).toEqual([INFO]);
    expect(world.importer.book.wanted()[0]).toMatchObject({
      ports: [
        {
          sni: 'info.owner.example',
          endpoints: [{ host: 'gateway.owner.example', port: 15443, priority: 0, path: 'gateway' }],
        },
      ],
      namespaces: ['*'],
    });
    await owner.offer([web]);
    expect(await world.ask()).toBe('accepted');
    expect(world.states()).toEqual(['info.owner.federated draining service-withdrawn']);
    expect(world.importer.book.wanted()).toMatchObject([{ name: 'info.owner.federated', state: 'draining' }]);
    await world.advance(29_999);
    expect(world.wanted()).toHaveLength(1);
    await world.advance(1);
    expect([world.states(), world.wanted()]).toEqual([['info.owner.federated absent service-withdrawn'], []]);
    await owner.offer([info, web], {}, world.agent.clock.now());
    await world.ask();
    expect(world.wanted()).toEqual([INFO]);
  });

  it('drains as long as its owner announces that', async () => {
    await owner.offer([info]);
    await world.import('info');
    await owner.offer([{ ...info, state: 'draining' }]);
    await world.ask();
    expect(world.states()).toEqual(['info.owner.federated draining service-draining']);
    await world.advance(40_000);
    expect(world.wanted()).toHaveLength(1);
    await owner.offer([], {}, world.agent.clock.now());
    await world.ask();
    expect(world.states()).toEqual(['info.owner.federated absent service-withdrawn']);
  });

  it('is refused when the peer does not offer it, or is not a peer', async () => {
    await owner.offer([web]);
    await expect(world.import('info')).rejects.toMatchObject({ code: 'service-not-offered' });
    const from = parseTrustDomain('other.example');
    await expect(world.import('web', { from })).rejects.toMatchObject({ code: 'not-federated' });
    expect(world.states()).toEqual([]);
  });

  it('is found although the peer was not asked since it exported the service', async () => {
    await owner.offer([info]);
    await world.import('info');
    expect(world.wanted()).toEqual([INFO]);
  });

  it('changes nothing when it is repeated, and moves when it gets another name', async () => {
    await owner.offer([info]);
    await world.import('info');
    const before = await world.agent.store.chainHead();
    await world.import('info');
    expect(await world.agent.store.chainHead()).toEqual(before);
    await world.import('info', { name: 'remarks.weather.example', namespaces: ['shop'] });
    expect(world.importer.book.wanted()).toMatchObject([
      { name: 'remarks.weather.example', namespaces: ['shop'] },
    ]);
  });

  it('drains when the operator drops it, and may come back', async () => {
    await owner.offer([info]);
    await world.import('info');
    await world.desk.drop('info', undefined, 'operator:1000');
    expect(world.states()).toEqual(['info.owner.federated draining service-dropped']);
    await world.import('info');
    expect(world.states()).toEqual(['info.owner.federated serving']);
    await world.desk.drop('info.owner.federated', OWNER, 'operator:1000');
    await world.advance(30_000);
    expect([world.states(), await world.agent.store.serviceImports()]).toEqual([[], []]);
    await expect(world.desk.drop('info', undefined, 'operator:1000')).rejects.toMatchObject({
      code: 'not-imported',
    });
  });

  it('keeps serving while its owner reports it down', async () => {
    await owner.offer([info]);
    await world.import('info');
    await owner.offer([{ ...info, state: 'down' }]);
    await world.ask();
    expect([world.states(), world.wanted()]).toEqual([['info.owner.federated serving service-down'], [INFO]]);
  });

  it('leads to the egress gateway, which leads to the gateways of the peer', async () => {
    world.settings = { ...world.settings, egressGateway: { host: '10.0.0.9', port: 15443 } };
    await owner.offer([info]);
    await world.import('info');
    const [port] = world.importer.book.wanted()[0]?.ports ?? [];
    expect(port?.endpoints).toEqual([{ host: '10.0.0.9', port: 15443, priority: 0, path: 'gateway' }]);
    expect(world.importer.book.egressRoutes()).toEqual([
      {
        sni: 'info.owner.example',
        endpoints: [{ host: 'gateway.owner.example', port: 15443, priority: 0, path: 'gateway' }],
      },
    ]);
  });

  it('is the same after a restart, before any peer answered', async () => {
    await owner.offer([info]);
    await world.import('info');
    const before = world.wanted();
    owner.peer.reception = 'reset';
    await world.restart();
    expect(world.wanted()).toEqual(before);
    expect(before).toEqual([INFO]);
  });

  it('stays draining over a restart, with the same end', async () => {
    await owner.offer([info, web]);
    await world.import('info');
    await owner.offer([web]);
    await world.ask();
    await world.advance(20_000);
    await world.restart();
    expect(world.wanted()).toHaveLength(1);
    await world.advance(10_000);
    expect(world.wanted()).toEqual([]);
  });
});

describe('without trust in its owner an import ends at once', () => {
  it('when the relationship is removed, and for good', async () => {
    await owner.offer([info]);
    await world.import('info');
    await world.agent.federation.relationships.remove(OWNER, { actor: 'operator:1000', reason: 'over' });
    expect(world.wanted()).toEqual([]);
    await world.importer.book.settle();
    expect([world.states(), await world.agent.store.heldCatalogues()]).toEqual([[], []]);
    await world.add(owner);
    expect(world.wanted()).toEqual([]);
  });

  it('when the peer is stale, and comes back with its trust', async () => {
    await owner.offer([info]);
    await world.import('info');
    const { bundles } = world.agent.federation;
    bundles.staleFrom(OWNER, world.agent.clock.now());
    expect(world.wanted()).toEqual([]);
    await world.importer.book.settle();
    expect(world.states()).toEqual(['info.owner.federated absent peer-not-trusted']);
    // Nothing that it signs is proved now, and that is not a fault of its list.
    expect(await world.ask()).toBe('failed peer-not-trusted');
    const open = await world.agent.store.incidents({ open: true });
    expect(open.map(({ kind }) => kind)).toEqual(['trust-stale']);
    bundles.staleFrom(OWNER, undefined);
    await world.importer.book.settle();
    expect(world.wanted()).toEqual([INFO]);
  });
});

describe('a list that is not renewed', () => {
  const DAY = 86_400_000;

  it('is used until its end, and no longer', async () => {
    await owner.offer([info]);
    await world.import('info');
    owner.token = undefined;
    await world.advance(DAY - 1);
    expect(world.wanted()).toEqual([INFO]);
    await world.advance(1);
    expect([world.states(), world.wanted()]).toEqual([['info.owner.federated absent catalogue-stale'], []]);
    await owner.offer([info], {}, world.agent.clock.now());
    await world.ask();
    expect(world.wanted()).toEqual([INFO]);
  });

  it('ends earlier where the operator wants that', async () => {
    world.settings = { ...world.settings, stalePolicy: 'remove' };
    await owner.offer([info]);
    await world.import('info');
    owner.token = undefined;
    await world.advance(900_000);
    expect(world.states()).toEqual(['info.owner.federated absent catalogue-stale']);
  });

  it('is renewed by the same content, without a row of history', async () => {
    await owner.offer([info]);
    await world.import('info');
    const before = await world.agent.store.chainHead();
    const now = new Date(world.agent.clock.now().getTime() + 1000);
    await world.advance(1000);
    await owner.offer([info], { sequence: 1 }, now);
    expect(await world.ask()).toBe('unchanged');
    expect(await world.agent.store.chainHead()).toEqual(before);
    await world.advance(DAY - 1);
    expect(world.wanted()).toEqual([INFO]);
  });
});

describe('a suspicious change', () => {
  const changed = { ...info, spiffeIds: [...info.spiffeIds, identityOf('other')] };
  const by = { actor: 'operator:1000', reason: 'they told me' };
  beforeEach(async () => {
    await owner.offer([info]);
    await world.import('info');
    await owner.offer([changed]);
  });

  it('waits, while the last good one is used', async () => {
    expect(await world.ask()).toBe('waiting identity-change');
    expect([world.states(), world.wanted()]).toEqual([
      ['info.owner.federated waiting identity-change'],
      [INFO],
    ]);
    const [pending] = world.desk.waiting();
    expect(pending).toMatchObject({ status: 'waiting', changes: [{ code: 'identity-change' }] });
    await world.ask();
    expect(await world.agent.store.incidents({ open: true })).toMatchObject([
      { kind: 'catalogue-quarantined', code: 'identity-change', count: 2 },
    ]);
  });

  it('is taken by the operator, exactly as it was shown', async () => {
    await world.ask();
    const digest = world.desk.waiting()[0]?.digest ?? '';
    await expect(world.desk.accept(OWNER, 'f'.repeat(64), by)).rejects.toMatchObject({
      code: 'offer-changed',
    });
    await world.desk.accept(OWNER, digest.slice(0, 12), by);
    expect(world.wanted()).toEqual([`${INFO} spiffe://owner.example/sa/other`]);
    expect(await world.ask()).toBe('unchanged');
    expect(await world.agent.store.incidents({ open: true })).toEqual([]);
    const [newest] = await world.agent.store.catalogueVersions(OWNER, 'received');
    expect(newest).toMatchObject({ verdict: 'operator' });
    await expect(world.desk.accept(OWNER, digest, by)).rejects.toMatchObject({ code: 'nothing-waits' });
  });

  it('is kept out for good, also after a restart', async () => {
    await world.ask();
    const digest = world.desk.waiting()[0]?.digest ?? '';
    await world.desk.reject(OWNER, digest, by);
    expect([world.states(), world.wanted()]).toEqual([['info.owner.federated serving'], [INFO]]);
    await world.restart();
    expect(await world.ask()).toBe('rejected identity-change');
    expect([world.states(), world.wanted()]).toEqual([['info.owner.federated serving'], [INFO]]);
    await world.desk.accept(OWNER, digest, by);
    expect(world.wanted()).toHaveLength(1);
    expect(world.wanted()[0]).toContain('sa/other');
  });

  it('is over when nobody imports the service any more', async () => {
    await world.ask();
    await world.desk.drop('info', undefined, 'operator:1000');
    await world.advance(30_000);
    await owner.offer([changed], {}, world.agent.clock.now());
    expect(await world.ask()).toBe('accepted');
    expect(world.desk.waiting()).toEqual([]);
  });

  it('waits also where the settings refused the last good one in between', async () => {
    const gateways = [{ id: 'gw1', host: '10.1.2.3', port: 15443, priority: 0 }];
    world.settings = { ...world.settings, allowedGatewayRanges: ['10.0.0.0/8'] };
    await owner.offer([info], { gateways });
    expect(await world.ask()).toBe('accepted');
    world.settings = { ...world.settings, allowedGatewayRanges: [] };
    await world.restart();
    expect(world.wanted()).toEqual([]);
    await owner.offer([changed]);
    expect(await world.ask()).toBe('waiting identity-change');
  });

  it('is over when the owner takes it back', async () => {
    await world.ask();
    await owner.offer([info]);
    expect(await world.ask()).toBe('unchanged');
    expect([world.states(), world.desk.waiting()]).toEqual([['info.owner.federated serving'], []]);
  });

  it('waits also where the service was withdrawn in between', async () => {
    await owner.offer([]);
    await world.ask();
    await world.advance(30_000);
    await owner.offer([changed], {}, world.agent.clock.now());
    expect(await world.ask()).toBe('waiting identity-change');
    expect([world.states(), world.wanted()]).toEqual([['info.owner.federated absent identity-change'], []]);
  });
});

describe('names', () => {
  let other: FakeOwner;
  beforeEach(async () => {
    other = await FakeOwner.start(parseTrustDomain('owner.test'));
    await world.add(other);
    await owner.offer([info]);
    const spiffeIds = [parseSpiffeId('spiffe://owner.test/sa/info')];
    await other.offer([{ ...info, spiffeIds, ports: [offeredPort({ sni: 'info.owner.test' })] }]);
  });
  afterEach(async () => {
    await other[Symbol.asyncDispose]();
  });
  const from = parseTrustDomain('owner.test');

  it('belong to the first import', async () => {
    await world.import('info');
    await expect(world.import('info', { from })).rejects.toMatchObject({ code: 'import-alias-needed' });
    await expect(world.import('info', { from, alias: 'owner' })).rejects.toMatchObject({
      code: 'import-name-taken',
    });
    await world.import('info', { from, alias: 'second' });
    expect(world.wanted()).toEqual([INFO, 'info.second.federated serving spiffe://owner.test/sa/info']);
    await expect(world.desk.drop('info', undefined, 'operator:1000')).rejects.toMatchObject({
      code: 'import-ambiguous',
    });
  });

  it('and SNIs belong to the first import, and are free again after it', async () => {
    const shared = offeredPort({ sni: 'shared.test' });
    const ids = [parseSpiffeId('spiffe://owner.test/sa/info')];
    await owner.offer([info, web]);
    await other.offer([{ ...info, spiffeIds: ids, ports: [shared] }]);
    await world.ask(from);
    await world.import('web');
    await world.import('info', { from, alias: 'second' });
    await owner.offer([{ ...info, ports: [shared] }, web]);
    expect(await world.ask()).toBe('refused catalogue-sni-taken');
    await expect(world.import('info')).resolves.toMatchObject({ row: { state: 'serving' } });
    await world.desk.drop('info.second.federated', undefined, 'operator:1000');
    await world.advance(30_000);
    await owner.offer([{ ...info, ports: [shared] }, web], {}, world.agent.clock.now());
    await world.ask();
    const used = world.importer.book.wanted().flatMap(({ ports }) => ports.map(({ sni }) => sni));
    expect(used.toSorted()).toEqual(['shared.test', 'web.owner.example']);
  });

  it('of our own mesh are never taken', async () => {
    world.ownNames.add('info.owner.federated');
    await expect(world.import('info')).rejects.toMatchObject({ code: 'import-name-taken' });
    world.ownNames.clear();
    await world.import('info');
    world.ownNames.add('info.owner.federated');
    await world.importer.book.settle();
    expect([world.states(), world.wanted()]).toEqual([['info.owner.federated conflict name-conflict'], []]);
  });

  it('of the config are made when they are offered, and a conflict stops no other', async () => {
    const wanted = { service: info.id, from: OWNER };
    await world.desk.declare([
      { ...wanted, service: web.id },
      wanted,
      { service: info.id, from, name: 'info.owner.federated' },
      { service: info.id, from: parseTrustDomain('nobody.example') },
    ]);
    await world.ask();
    await world.desk.declare([
      { ...wanted, service: web.id },
      wanted,
      { service: info.id, from, name: 'info.owner.federated' },
      { service: info.id, from: parseTrustDomain('nobody.example') },
    ]);
    expect(world.states()).toEqual([
      'web.owner.federated absent service-not-offered',
      'info.owner.federated serving',
    ]);
    expect(world.desk.conflicts.map(({ code }) => code)).toEqual(['import-name-taken', 'not-federated']);
    await expect(world.desk.drop('info', OWNER, 'operator:1000')).rejects.toMatchObject({
      code: 'declared-in-config',
    });
    await owner.offer([info, web]);
    await world.ask();
    expect(world.wanted()).toHaveLength(2);
    await world.desk.declare([{ ...wanted, service: web.id }]);
    await world.advance(30_000);
    expect(world.states()).toEqual(['web.owner.federated serving']);
  });
});
