import { describe, expect, it } from 'vitest';
import { Interceptor } from '../../testkit/interceptor.ts';
import { InvitationSide, strangersCertificate } from './world.ts';

const both = (a: InvitationSide, b: InvitationSide) => [a.federated(), b.federated()];
const DONE = [['b.example active invitation'], ['a.example active invitation']];
const NOTHING = [[], []];

/** Two sides whose connection is cut once the inviter has written, before it has answered. */
async function startCut() {
  const way = await Interceptor.start(await strangersCertificate());
  let cuts = 1;
  const a = await InvitationSide.start('a.example', {
    url: way.url,
    added: () => {
      if (cuts > 0) way.cutAll();
      cuts -= 1;
    },
  });
  const b = await InvitationSide.start('b.example');
  way.target = a.port;
  return {
    a,
    b,
    way,
    [Symbol.asyncDispose]: async () => {
      for (const each of [a, b, way]) await each[Symbol.asyncDispose]();
    },
  };
}

describe('an invitation that is broken off', () => {
  it('before the inviter has written leaves nothing, and the same line goes on', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    const line = await a.give();
    a.store.failNext({ method: 'addRelationship' });
    expect(await b.take(line)).toBe('invitation-exchange-failed');
    expect(both(a, b)).toEqual(NOTHING);
    expect(await a.newest()).toBe('inviter open');
    await Promise.all([a.restart(), b.restart()]);
    expect(await b.take(line)).toBe('completed');
    expect(both(a, b)).toEqual(DONE);
  });

  it('before the newcomer has kept what it sends leaves nothing', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    const line = await a.give();
    b.store.failNext({ method: 'addInvitation' });
    expect(await b.take(line)).toBe('store-full');
    expect([both(a, b), await a.newest(), await b.newest()]).toEqual([NOTHING, 'inviter open', 'none']);
    expect(await b.take(line)).toBe('completed');
  });

  it('after the inviter has written is completed by the newcomer asking, a restart in between', async () => {
    await using w = await startCut();
    expect(await w.b.take(await w.a.give())).toBe('invitation-exchange-failed');
    expect(both(w.a, w.b)).toEqual([['b.example active invitation'], []]);
    await Promise.all([w.a.restart(), w.b.restart()]);
    expect(await w.b.newest()).toBe('newcomer redeeming');
    await w.b.until('newcomer completed');
    await expect.poll(() => both(w.a, w.b)).toEqual(DONE);
    const [[ofA], [ofB]] = await Promise.all([w.a.invitations.desk.list(), w.b.invitations.desk.list()]);
    expect(ofA?.words).toBe(ofB?.words);
  });

  it('after the inviter has written is completed by the same line', async () => {
    await using w = await startCut();
    const line = await w.a.give();
    expect(await w.b.take(line)).toBe('invitation-exchange-failed');
    expect(await w.b.take(line)).toBe('completed');
    expect(both(w.a, w.b)).toEqual(DONE);
  });

  it('when the newcomer cannot write is completed once it can', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    b.store.failNext({ method: 'addRelationship' });
    expect(await b.take(await a.give())).toBe('store-full');
    expect(both(a, b)).toEqual([['b.example active invitation'], []]);
    await b.until('newcomer completed');
    await expect.poll(() => both(a, b)).toEqual(DONE);
  });

  it('and ended by the inviter’s operator meanwhile leaves nothing', async () => {
    await using w = await startCut();
    expect(await w.b.take(await w.a.give())).toBe('invitation-exchange-failed');
    await w.a.federation.relationships.remove(w.b.ca.trustDomain, {
      actor: 'operator:ann',
      reason: 'changed our mind',
    });
    await w.b.until('newcomer failed invitation-declined');
    expect(both(w.a, w.b)).toEqual(NOTHING);
  });

  it('by an inviter that never comes back is given up after a day, and nothing was ever trusted', async () => {
    await using w = await startCut();
    expect(await w.b.take(await w.a.give({ requireApproval: true }))).toBe('awaiting-approval');
    w.way.target = 1;
    await w.b.clock.advance(26 * 3_600_000);
    await w.b.until('newcomer failed invitation-refused');
    expect(both(w.a, w.b)).toEqual(NOTHING);
  });
});

describe('an invitation that waits for approval', () => {
  it('is trusted by neither side until the operator gives the words, restarts in between', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    expect(await b.take(await a.give({ requireApproval: true }))).toBe('awaiting-approval');
    expect(both(a, b)).toEqual(NOTHING);
    const [taken] = await b.invitations.desk.list();
    await Promise.all([a.restart(), b.restart()]);
    expect([await a.newest(), await b.newest()]).toEqual([
      'inviter awaiting-approval',
      'newcomer awaiting-approval',
    ]);
    await a.invitations.desk.approve(` ${taken?.words?.toUpperCase().replaceAll(' ', '-')}`, 'operator:ann');
    await b.until('newcomer completed');
    await expect.poll(() => both(a, b)).toEqual(DONE);
    expect(await a.story()).toEqual(['given', 'taken awaiting-approval']);
    await expect(a.invitations.desk.approve(taken?.words ?? '', 'operator:ann')).rejects.toMatchObject({
      code: 'invitation-not-open',
    });
  });

  it('is over a day after it ended, for both sides', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    expect(await b.take(await a.give({ requireApproval: true }))).toBe('awaiting-approval');
    await b.restart();
    await a.clock.advance(24.5 * 3_600_000);
    await b.clock.advance(24.5 * 3_600_000);
    await b.until('newcomer failed invitation-declined', a);
    expect(await a.newest()).toBe('inviter expired invitation-expired');
    await expect(a.invitations.desk.approve('any', 'operator:ann')).rejects.toMatchObject({
      code: 'no-such-invitation',
    });
    expect(both(a, b)).toEqual(NOTHING);
  });

  it('is reported as over when the same line is taken up again after it was taken back', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    const line = await a.give({ requireApproval: true });
    expect(await b.take(line)).toBe('awaiting-approval');
    expect(await b.take(line)).toBe('awaiting-approval');
    const [waiting] = await a.invitations.desk.list();
    await a.invitations.desk.cancel(waiting?.id ?? '', 'operator:ann');
    expect(await b.take(line)).toBe('invitation-declined');
    expect(await b.take(line)).toBe('invitation-refused');
    expect(both(a, b)).toEqual(NOTHING);
  });

  it('looks at the newcomer’s endpoint again before it is approved', async () => {
    await using a = await InvitationSide.start('a.example');
    await using b = await InvitationSide.start('b.example');
    await b.take(await a.give({ requireApproval: true }));
    const [waiting] = await a.invitations.desk.list();
    await b.endpoint.stop(0);
    await expect(a.invitations.desk.approve(waiting?.id ?? '', 'operator:ann')).rejects.toMatchObject({
      code: 'newcomer-unreachable',
    });
    expect([both(a, b), await a.newest()]).toEqual([NOTHING, 'inviter awaiting-approval']);
  });
});
