import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { MAX_HOLDING_CHARACTERS } from '../../../src/federation/index.ts';
import { readImportReport } from '../../../src/services/index.ts';
import { parseStrictJson } from '../../../src/spiffe/index.ts';
import { offeredService, OWNER } from '../../../testkit/catalogues.ts';
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

/** What the next statement to the owner reports. */
async function reported() {
  const token = (await world.agent.federation.holding.statementFor(OWNER)) ?? '';
  const [, claims = ''] = token.split('.');
  const value = parseStrictJson(Buffer.from(claims, 'base64url'), { maxBytes: 65_536, maxDepth: 10 });
  return {
    length: token.length,
    report: value instanceof Map ? readImportReport(value.get('exports')) : undefined,
  };
}

describe('the statement to an owner', () => {
  it('reports nothing about imports before there is a list', async () => {
    expect((await reported()).report).toBeUndefined();
  });

  it('reports what is used, what is refused and which SNIs the mesh sends', async () => {
    await owner.offer([offeredService('info'), offeredService('web'), offeredService('db')]);
    await world.import('info');
    await world.import('web');
    await world.import('db');
    world.ownNames.add('db.owner.federated');
    await world.importer.book.settle();
    world.meshAnswers = [
      { trustDomain: OWNER, service: 'info', wantedSni: { http: 'a1.info.mesh.example' } },
      { trustDomain: OWNER, service: 'web', code: 'host-taken' },
    ];
    expect((await reported()).report).toEqual({
      sequence: 1,
      imported: ['info', 'web'],
      refused: [
        { id: 'db', code: 'name-conflict' },
        { id: 'web', code: 'host-taken' },
      ],
      wantedSni: new Map([['info/http', 'a1.info.mesh.example']]),
      isPartial: false,
    });
  });

  it('never grows beyond what an endpoint reads', async () => {
    const ids = Array.from({ length: 400 }, (_, index) => `service-with-a-long-name-${index}`);
    await owner.offer(ids.map((id) => offeredService(id)));
    await world.ask();
    await world.desk.declare(ids.map((id) => ({ service: offeredService(id).id, from: OWNER })));
    const { length, report } = await reported();
    expect(world.wanted()).toHaveLength(400);
    expect(length).toBeLessThanOrEqual(MAX_HOLDING_CHARACTERS);
    expect(report).toMatchObject({ sequence: 1, isPartial: true });
  });
});
