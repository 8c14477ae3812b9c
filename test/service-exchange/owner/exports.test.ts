import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseCaller, parseServiceId } from '../../../src/services/index.ts';
import { parseSpiffeId, parseTrustDomain } from '../../../src/spiffe/index.ts';
import { TEST_INSTANT } from '../../../testkit/test-ca.ts';
import { east, OPERATOR, own, ownService, OwnerWorld, west } from './owner-world.ts';

/** The first sequence of a catalogue is the time in seconds. */
const FIRST = TEST_INSTANT.getTime() / 1000;

describe('ServiceOwner', () => {
  let world: OwnerWorld;
  beforeEach(async () => {
    world = await OwnerWorld.open();
    await world.mesh(ownService('info'), ownService('web'));
  });
  afterEach(() => world[Symbol.asyncDispose]());
  const info = parseServiceId('info');
  const exportInfo = (...to: (typeof east)[]) => world.exportDesk.export({ service: 'info', to }, OPERATOR);
  const kinds = async () => (await world.store.events()).map(({ kind }) => kind);

  it('shows a peer nothing before an export, and then only what is exported to it', async () => {
    expect(await world.catalogueOf(east)).toBeUndefined();
    await exportInfo(east);
    expect(await world.catalogueOf(east)).toEqual({
      trustDomain: own,
      audience: east,
      sequence: FIRST,
      issuedAt: world.clock.now(),
      expiresAt: new Date(world.clock.now().getTime() + 24 * 3600_000),
      refreshHint: 60,
      gateways: [{ id: 'gw1', host: 'gw.a.example', port: 15443, priority: 0 }],
      services: [
        {
          id: 'info',
          spiffeIds: ['spiffe://a.example/sa/info'],
          ports: [
            {
              name: 'http',
              port: 8080,
              protocol: 'http',
              serverFirst: false,
              sni: 'info.a.example',
              gateways: ['gw1'],
              direct: [],
            },
          ],
          mayCall: [],
          state: 'serving',
        },
      ],
    });
    expect(await world.catalogueOf(west)).toBeUndefined();
  });

  it('tells the address of a workload to the peers of a shared network alone, and no host name', async () => {
    await using shared = await OwnerWorld.open({ networksWith: (peer) => (peer === east ? ['n1'] : []) });
    const target = { host: 'db.internal.example', port: 1 };
    const named = ownService('db');
    const local = ownService('local');
    const loopback = { host: '127.0.0.1', port: 1 };
    await shared.mesh(
      ownService('info'),
      {
        ...local,
        ports: local.ports.map((port) => ({ ...port, target: loopback })),
      },
      {
        ...named,
        ports: named.ports.map((port) => ({ ...port, target })),
      },
    );
    for (const service of ['info', 'db', 'local'])
      await shared.exportDesk.export({ service, to: [east, west] }, OPERATOR);
    const directOf = async (peer: typeof east) =>
      (await shared.catalogueOf(peer))?.services.map(({ id, ports }) => [id, ports[0]?.direct]).toSorted();
    expect(await directOf(east)).toEqual([
      ['db', []],
      ['info', [{ network: 'n1', host: '10.0.0.1', port: 15006 }]],
      ['local', []],
    ]);
    expect(await directOf(west)).toEqual([
      ['db', []],
      ['info', []],
      ['local', []],
    ]);
  });

  it('keeps a sequence for each peer, which grows with new content only', async () => {
    await exportInfo(east, west);
    await world.owner.settle();
    await exportInfo(east);
    expect((await world.catalogueOf(east))?.sequence).toBe(FIRST);
    await world.exportDesk.export({ service: 'web', to: [east] }, OPERATOR);
    expect((await world.catalogueOf(east))?.sequence).toBe(FIRST + 1);
    expect((await world.catalogueOf(west))?.sequence).toBe(FIRST);
    expect((await kinds()).filter((kind) => kind === 'service-exported')).toHaveLength(3);
  });

  it('writes nothing for equal content', async () => {
    await exportInfo(east);
    const head = await world.store.chainHead();
    await world.owner.settle();
    await exportInfo(east);
    world.owner.report([ownService('web'), ownService('info')]);
    await world.owner.settle();
    expect(await world.store.chainHead()).toEqual(head);
  });

  it('tells a peer which of its callers may call, and nothing of others', async () => {
    await exportInfo(east);
    for (const from of ['spiffe://east.example/sa/ui', 'west.example', own])
      await world.accessDesk.add({ service: 'info', rule: { effect: 'allow', from: [from] } }, OPERATOR);
    expect((await world.catalogueOf(east))?.services[0]?.mayCall).toEqual([
      { kind: 'identity', id: 'spiffe://east.example/sa/ui' },
    ]);
    const deny = { effect: 'deny', from: ['east.example'] } as const;
    await world.accessDesk.add({ service: 'info', rule: deny }, OPERATOR);
    expect((await world.catalogueOf(east))?.services[0]?.mayCall).toEqual([]);
  });

  it('drains a withdrawn service, and then gives the peer an empty list until the last one has expired', async () => {
    await exportInfo(east);
    const [row] = await world.exportDesk.withdraw({ service: 'info' }, OPERATOR);
    expect(row).toMatchObject({
      state: 'draining',
      drainUntil: new Date(world.clock.now().getTime() + 30_000),
    });
    expect(await world.seenBy(east)).toEqual(['info draining']);
    expect(world.owner.book.routes()).toHaveLength(1);
    await world.clock.advance(30_000);
    await world.owner.settle();
    expect(await world.catalogueOf(east)).toMatchObject({ sequence: FIRST + 2, services: [], gateways: [] });
    expect(world.owner.book.routes()).toEqual([]);
    expect(world.owner.book.wantedExports()).toEqual([]);
    await world.clock.advance(24 * 3600_000);
    expect(await world.owner.serves(east)).toBe(false);
  });

  it('ends the draining by itself, in time', async () => {
    await exportInfo(east);
    await world.owner.start();
    await world.clock.untilSleeping(1);
    await world.exportDesk.withdraw({ service: 'info' }, OPERATOR);
    world.owner.compare();
    await world.clock.untilSleeping(1);
    await world.clock.advance(29_999);
    expect(await world.store.serviceExports()).toHaveLength(1);
    await world.clock.advance(1);
    await world.owner.settle();
    expect(await world.store.serviceExports()).toEqual([]);
  });

  it('serves a draining service again after another export', async () => {
    await exportInfo(east);
    await world.exportDesk.withdraw({ service: 'info' }, OPERATOR);
    await exportInfo(east);
    expect(await world.seenBy(east)).toEqual(['info serving']);
    await world.clock.advance(60_000);
    await world.owner.settle();
    expect(await world.seenBy(east)).toEqual(['info serving']);
  });

  it('goes on where it was killed: a stored export is issued, and a sequence is never used twice', async () => {
    await exportInfo(east);
    const at = world.clock.now();
    // The agent dies after the write and before it issues and serves.
    await world.store.putServiceExport({
      service: 'web',
      consumer: east,
      since: at,
      state: 'serving',
      actor: OPERATOR,
    });
    world.restart();
    expect(await world.catalogueOf(east)).toMatchObject({ sequence: FIRST, services: [{ id: 'info' }] });
    await world.mesh(...world.inMesh);
    expect(await world.catalogueOf(east)).toMatchObject({
      sequence: FIRST + 1,
      services: [{ id: 'info' }, { id: 'web' }],
    });
  });

  it('keeps what peers know until the mesh was read after a start, and calls a missing service down', async () => {
    await exportInfo(east);
    world.restart();
    await world.owner.settle();
    expect(await world.seenBy(east)).toEqual(['info serving']);
    await world.mesh();
    expect(await world.seenBy(east)).toEqual(['info down']);
    expect(world.owner.book.routes()).toEqual([]);
    await world.mesh(ownService('info'));
    expect(await world.seenBy(east)).toEqual(['info serving']);
  });

  it('withdraws a service at once when its workloads take plain text', async () => {
    await exportInfo(east);
    await world.mesh(ownService('info', { obstacle: { code: 'mtls-off', message: 'takes plain text' } }));
    expect(await world.seenBy(east)).toEqual([]);
    expect(world.owner.book.routes()).toEqual([]);
    expect(world.owner.book.wantedExports()).toEqual([]);
  });

  it('ends everything with the relationship, and starts with nothing exported', async () => {
    await exportInfo(east, west);
    await world.unfederate(east);
    expect(await world.owner.serves(east)).toBe(false);
    await world.federate(east);
    await world.owner.settle();
    expect(await world.seenBy(east)).not.toContain('info serving');
    expect(await world.seenBy(west)).toEqual(['info serving']);
    await exportInfo(east);
    expect((await world.catalogueOf(east))?.sequence).toBeGreaterThan(FIRST);
  });

  it('slows a mesh that flaps down, so that the history does not grow without end', async () => {
    await exportInfo(east);
    for (let turn = 0; turn < 200; turn += 1) {
      await world.mesh(...(turn % 2 === 0 ? [] : [ownService('info')]));
      await world.clock.advance(1000);
    }
    const versions = await world.store.catalogueVersions(east, 'issued', { limit: 1000 });
    expect(versions.length).toBeLessThanOrEqual(1 + 20 + 20);
    await world.clock.advance(60_000);
    await world.mesh(ownService('info'));
    expect(await world.seenBy(east)).toEqual(['info serving']);
  });

  it('routes exported ports only, and SNIs that an importer computes, but never one that is taken', async () => {
    const ports = [
      {
        name: 'http',
        port: 80,
        protocol: 'http',
        serverFirst: false,
        target: { host: '10.0.0.2', port: 15006 },
      },
      { name: 'admin', port: 81, protocol: 'http', serverFirst: false },
    ] as const;
    await world.mesh(ownService('info'), ownService('web', { ports }));
    await exportInfo(east);
    await world.exportDesk.export({ service: 'web', to: [east] }, OPERATOR);
    const wantedSni = new Map([
      ['info/http', 'sni.msvc.default.z1.info.http'],
      ['web/http', 'info.a.example'],
      ['web/admin', 'sni.admin.example'],
      ['other/http', 'sni.other.example'],
    ]);
    world.uses.set(east, { sequence: 1, imported: ['info'], refused: [], isPartial: false, wantedSni });
    world.uses.set(west, {
      sequence: 1,
      imported: [],
      refused: [],
      isPartial: false,
      wantedSni: new Map([['info/http', 'west.example.org']]),
    });
    expect(world.owner.book.routes().map(({ sni, target }) => `${sni} ${target.host}`)).toEqual([
      'info.a.example 10.0.0.1',
      'sni.msvc.default.z1.info.http 10.0.0.1',
      'http.web.a.example 10.0.0.2',
    ]);
    // What a peer asks for is not ours: it keeps no name from another peer, or from an import.
    expect([...world.owner.book.snis()]).toEqual([
      'info.a.example',
      'http.web.a.example',
      'admin.web.a.example',
    ]);
  });

  it('enforces rules of peers only while the service is exported to them', async () => {
    const rule = { effect: 'allow', from: ['east.example', 'west.example', own] } as const;
    await world.accessDesk.add({ service: 'info', rule }, OPERATOR);
    const callers = () =>
      world.owner.book
        .wantedAccess()
        .flatMap(({ policy }) => policy.rules.flatMap((each) => each.callers))
        .map((caller) => (caller.kind === 'identity' ? caller.id : caller.trustDomain));
    expect(callers()).toEqual([own]);
    await exportInfo(east);
    expect(callers().toSorted()).toEqual([own, 'east.example']);
    const check = (caller: string) =>
      world.accessDesk.check('info', {
        caller: parseSpiffeId(caller),
        port: 'http',
        method: 'GET',
        path: '/',
      });
    expect(check('spiffe://east.example/sa/ui')).toEqual({ allowed: true, rule: 'rule-1' });
    expect(check('spiffe://west.example/sa/ui')).toEqual({ allowed: false, code: 'not-exported' });
  });

  it('never widens a policy when the ports of its service change', async () => {
    await exportInfo(east);
    const add = (rule: object) =>
      world.accessDesk.add(
        { service: 'info', rule: { effect: 'allow', from: ['east.example'], ...rule } },
        OPERATOR,
      );
    await add({});
    await add({ effect: 'deny', from: ['spiffe://east.example/sa/bad'], methods: ['GET'] });
    const tcp = [
      {
        name: 'http',
        port: 8080,
        protocol: 'tcp',
        serverFirst: false,
        target: { host: '10.0.0.1', port: 1 },
      },
    ] as const;
    await world.mesh(ownService('info', { ports: tcp }));
    expect(world.owner.book.wantedAccess()[0]?.policy.rules).toEqual([]);
    expect((await world.catalogueOf(east))?.services[0]?.mayCall).toEqual([]);
  });

  it('keeps the policy of an exported service that the mesh lacks for a moment, because without one every caller gets in', async () => {
    await exportInfo(east);
    const before = world.owner.book.wantedAccess();
    expect(before).toHaveLength(1);
    await world.mesh();
    expect(world.owner.book.wantedExports()).toEqual([]);
    expect(world.owner.book.wantedAccess()).toEqual(before);
  });

  const refusals: readonly (readonly [string, string, () => Promise<unknown>])[] = [
    [
      'a service that the mesh lacks',
      'service-unknown',
      () => world.exportDesk.export({ service: 'inf', to: [east] }, OPERATOR),
    ],
    [
      'a malformed ID',
      'service-id-invalid',
      () => world.exportDesk.export({ service: 'in\u001bfo', to: [east] }, OPERATOR),
    ],
    ['a peer without a relationship', 'peer-unknown', () => exportInfo(parseTrustDomain('north.example'))],
    ['our own trust domain', 'export-to-self', () => exportInfo(own)],
    [
      'a withdrawal of what is not exported',
      'not-exported',
      () => world.exportDesk.withdraw({ service: 'info' }, OPERATOR),
    ],
    [
      'a withdrawal from another peer',
      'not-exported',
      async () => {
        await exportInfo(east);
        await world.exportDesk.withdraw({ service: 'info', from: [west] }, OPERATOR);
      },
    ],
    [
      'a service with an obstacle',
      'service-not-exportable',
      async () => {
        await world.mesh(ownService('info', { obstacle: { code: 'mtls-off', message: 'takes plain text' } }));
        await exportInfo(east);
      },
    ],
    [
      'a service whose port has no address',
      'service-not-exportable',
      async () => {
        const ports = [{ name: 'http', port: 80, protocol: 'http', serverFirst: false }] as const;
        await world.mesh(ownService('info', { ports }));
        await exportInfo(east);
      },
    ],
    [
      'a service with identities of another trust domain',
      'service-not-exportable',
      async () => {
        await world.mesh(ownService('info', { spiffeIds: [parseSpiffeId('spiffe://east.example/sa/info')] }));
        await exportInfo(east);
      },
    ],
    [
      'a second service with the same SNI',
      'service-not-exportable',
      async () => {
        const target = { host: '10.0.0.1', port: 1 };
        const ports = [
          { name: 'info', port: 80, protocol: 'http', serverFirst: false, target },
          { name: 'b', port: 81, protocol: 'http', serverFirst: false, target },
        ] as const;
        await world.mesh(ownService('info.web'), ownService('web', { ports }));
        await world.exportDesk.export({ service: 'info.web', to: [east] }, OPERATOR);
        await world.exportDesk.export({ service: 'web', to: [west] }, OPERATOR);
      },
    ],
    [
      'a rule about an unknown service',
      'service-unknown',
      () =>
        world.accessDesk.add(
          { service: 'nope', rule: { effect: 'allow', from: ['east.example'] } },
          OPERATOR,
        ),
    ],
    [
      'a rule about an unknown peer',
      'peer-unknown',
      () =>
        world.accessDesk.add(
          { service: 'info', rule: { effect: 'allow', from: ['north.example'] } },
          OPERATOR,
        ),
    ],
    [
      'a rule about a malformed ID',
      'caller-invalid',
      () =>
        world.accessDesk.add(
          { service: 'info', rule: { effect: 'allow', from: ['spiffe://east.example'] } },
          OPERATOR,
        ),
    ],
    ...['/a%2fb', '/a//b', '/a/../b'].map(
      (path) =>
        [
          `a rule about the path ${path}`,
          'path-not-canonical',
          () =>
            world.accessDesk.add(
              { service: 'info', rule: { effect: 'allow', from: ['east.example'], paths: [path] } },
              OPERATOR,
            ),
        ] as const,
    ),
    [
      'a rule about an unknown port',
      'port-unknown',
      () =>
        world.accessDesk.add(
          { service: 'info', rule: { effect: 'allow', from: ['east.example'], ports: ['db'] } },
          OPERATOR,
        ),
    ],
    [
      'the end of a rule that is not there',
      'rule-unknown',
      () => world.accessDesk.revoke('info', 'rule-1', OPERATOR),
    ],
    [
      'another rule under the same ID',
      'rule-id-taken',
      async () => {
        const add = (from: string) =>
          world.accessDesk.add(
            { service: 'info', id: 'one', rule: { effect: 'allow', from: [from] } },
            OPERATOR,
          );
        await add('east.example');
        await add('west.example');
      },
    ],
  ];
  it.each(refusals)('refuses %s with %s, and changes nothing', async (_what, code, attempt) => {
    await expect(attempt()).rejects.toMatchObject({ code });
    const rules = await world.store.accessRules();
    expect(rules.filter(({ document }) => document.includes('north'))).toEqual([]);
  });

  it('refuses an export that the catalogue has no room for, and keeps the last good one', async () => {
    const many = Array.from({ length: 1001 }, (_, index) => ownService(`s${index}`));
    await world.mesh(...many);
    const since = world.clock.now();
    for (const { id } of many.slice(0, 1000))
      await world.store.putServiceExport({
        service: id,
        consumer: east,
        since,
        state: 'serving',
        actor: OPERATOR,
      });
    await world.owner.settle();
    const before = await world.catalogueOf(east);
    const more = world.exportDesk.export({ service: 's1000', to: [east] }, OPERATOR);
    await expect(more).rejects.toMatchObject({ code: 'catalogue-too-large' });
    expect(await world.catalogueOf(east)).toEqual(before);
  });

  it('exports what the operator describes, and forgets it when nothing uses it any more', async () => {
    const described = {
      id: parseServiceId('db'),
      ports: [
        {
          name: 'sql',
          port: 3306,
          protocol: 'tcp',
          serverFirst: true,
          target: { host: 'db.a.example', port: 3307 },
        },
      ],
      spiffeIds: [parseSpiffeId('spiffe://a.example/db')],
      labels: {},
    } as const;
    await world.exportDesk.export({ service: 'db', to: [east], described }, OPERATOR);
    expect(await world.seenBy(east)).toEqual(['db serving']);
    await expect(world.exportDesk.forget('db', OPERATOR)).rejects.toMatchObject({
      code: 'service-still-exported',
    });
    world.restart();
    await world.mesh();
    expect(await world.seenBy(east)).toEqual(['db serving']);
    await world.exportDesk.withdraw({ service: 'db' }, OPERATOR);
    await world.clock.advance(30_000);
    await world.owner.settle();
    await world.exportDesk.forget('db', OPERATOR);
    expect(world.owner.book.services.find('db')).toBeUndefined();
    const foreign = { ...described, spiffeIds: [parseSpiffeId('spiffe://east.example/db')] };
    await expect(
      world.exportDesk.export({ service: 'db', to: [east], described: foreign }, OPERATOR),
    ).rejects.toMatchObject({ code: 'service-foreign-identity' });
  });

  it('keeps the rule of an operator beside one of the config file with the same ID', async () => {
    await exportInfo(east);
    const bad = 'spiffe://east.example/bad';
    await world.accessDesk.add(
      { service: 'info', rule: { effect: 'deny', from: [bad] }, id: 'rule-1' },
      OPERATOR,
    );
    const rules = [{ id: 'rule-1', effect: 'allow' as const, callers: [parseCaller('east.example')] }];
    const access = [{ service: info, rules }];
    await world.declare({ access });
    await world.declare({ access });
    const kept = () => world.owner.book.rulesOf('info').map(({ rule }) => `${rule.id} ${rule.effect}`);
    expect(kept().toSorted()).toEqual(['rule-1 deny', 'rule-1-config allow']);
    const events = (await world.store.events()).length;
    await world.declare({ access });
    expect((await world.store.events()).length).toBe(events);
    await world.declare({});
    expect(kept()).toEqual(['rule-1 deny']);
  });

  it('follows the config file, and lets no verb change what it declares', async () => {
    const rules = [
      { id: 'one', effect: 'allow', callers: [{ kind: 'trust-domain', trustDomain: east }] },
    ] as const;
    await world.declare({ exports: [{ service: info, to: [east] }], access: [{ service: info, rules }] });
    expect(await world.seenBy(east)).toEqual(['info serving']);
    const inConfig = { code: 'declared-in-config' };
    await expect(world.exportDesk.withdraw({ service: 'info' }, OPERATOR)).rejects.toMatchObject(inConfig);
    await expect(world.accessDesk.revoke('info', 'one', OPERATOR)).rejects.toMatchObject(inConfig);
    const head = await world.store.chainHead();
    await world.declare({ exports: [{ service: info, to: [east] }], access: [{ service: info, rules }] });
    expect(await world.store.chainHead()).toEqual(head);
    await world.declare({});
    expect(await world.seenBy(east)).toEqual(['info draining']);
    expect(await world.store.accessRules()).toEqual([]);
  });

  it('keeps what the last config file declared while no file was read after a start', async () => {
    await world.declare({ exports: [{ service: info, to: [east] }] });
    world.restart();
    await world.mesh(ownService('info'));
    expect(await world.seenBy(east)).toEqual(['info serving']);
  });

  it('counts what the mesh itself exports, until the mesh takes it back, and never asks the mesh for it', async () => {
    const asked = () => world.owner.book.wantedExports().flatMap(({ consumers }) => consumers);
    await world.mesh(ownService('info', { exportedTo: [east] }));
    expect(await world.seenBy(east)).toEqual(['info serving']);
    expect(asked()).toEqual([]);
    await expect(world.exportDesk.withdraw({ service: 'info' }, OPERATOR)).rejects.toMatchObject({
      code: 'declared-in-mesh',
    });
    await world.mesh(ownService('info', { exportedTo: [] }));
    expect(await world.seenBy(east)).toEqual(['info draining']);
    expect(asked()).toEqual([]);
  });

  it('refuses an export without a gateway', async () => {
    await using bare = await OwnerWorld.open({ gateways: [] });
    await bare.mesh(ownService('info'));
    await expect(bare.exportDesk.export({ service: 'info', to: [east] }, OPERATOR)).rejects.toMatchObject({
      code: 'no-gateway',
    });
  });
});
