import { expect, it } from 'vitest';
import { offeredService, OWNER } from '../../../testkit/catalogues.ts';
import { until } from '../../../testkit/until.ts';
import { FakeOwner, ImportWorld } from './import-world.ts';

it('a good answer to a question ends the long pause after bad answers', async () => {
  await using world = await ImportWorld.start();
  await using owner = await FakeOwner.start(OWNER);
  await world.add(owner);
  const { clock } = world.agent;
  owner.token = 'not a signed list';
  const firstAsked = owner.asked;
  await until(async () => {
    await clock.advance(1000);
    return owner.asked > firstAsked && world.importer.lastOf(OWNER)?.outcome.kind === 'refused';
  }, 'a refused list');
  await owner.offer([offeredService('info')], {}, clock.now());
  expect(await world.ask()).toBe('accepted');
  const { asked } = owner;
  await until(() => clock.waits().some((wait) => wait <= 1000), 'the short pause');
  await clock.advance(1000);
  await until(() => owner.asked > asked, 'the next question of the loop');
});
